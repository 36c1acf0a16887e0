"""Ray Serve: POST /, one request an item."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

HERE = str(Path(__file__).parent)
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_SERVE_THROUGHPUT_OPTIMIZED"] = "1"  # its own switch for speed
os.environ["RAY_SERVE_ENABLE_DIRECT_INGRESS"] = "0"  # part of it: ports for a balancer, on every address of the machine
os.environ["PYTHONPATH"] = HERE  # the replicas import `work` too
sys.path.insert(0, HERE)

import ray  # noqa: E402 - reads the environment
from ray import serve  # noqa: E402
from work import TIMEOUT_SECONDS, Encoder, Model, Settings  # noqa: E402

SETTINGS = Settings.read()
QUIET = {"enable_access_log": False}


@serve.deployment(
    num_replicas=SETTINGS.workers,
    max_ongoing_requests=4096,
    ray_actor_options={"num_cpus": 1},
    logging_config=QUIET,
)
class Peer:
    """The model."""

    def __init__(self) -> None:
        self._model, self._encoder = Model(SETTINGS), Encoder(SETTINGS)

    def predict(self, bodies: list[dict]) -> list[list[float]]:
        """Predict for each."""
        return self._model.predict(self._encoder.encode(bodies)).tolist()

    @serve.batch(max_batch_size=SETTINGS.max_batch, batch_wait_timeout_s=SETTINGS.max_wait_ms / 1000)
    async def batched(self, bodies: list[dict]) -> list[list[float]]:
        """Predict for what Ray has put together."""
        return self.predict(bodies)

    async def __call__(self, request: object) -> dict:
        body = await request.json()
        return {"predictions": await self.batched(body) if SETTINGS.max_batch > 1 else self.predict([body])[0]}


if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, object_store_memory=128 << 20, _node_ip_address="127.0.0.1")
    serve.start(
        http_options={"host": SETTINGS.host, "port": SETTINGS.port, "request_timeout_s": TIMEOUT_SECONDS},
        logging_config=QUIET,
    )
    serve.run(Peer.bind(), name="peer", route_prefix="/")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()
    serve.shutdown()
    ray.shutdown()
