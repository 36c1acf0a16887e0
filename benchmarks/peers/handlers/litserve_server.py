"""LitServe: POST /predict, one request an item."""

from __future__ import annotations

import os
import signal

import litserve
import numpy as np
from work import TIMEOUT_SECONDS, Encoder, Model, Settings

SETTINGS = Settings.read()


class Batched(litserve.LitAPI):
    """Batches of up to MAX_BATCH."""

    def setup(self, device: str) -> None:
        self._model, self._encoder = Model(SETTINGS), Encoder(SETTINGS)

    def batch(self, inputs: list[dict]) -> list[list[int]]:
        return self._encoder.encode(inputs)

    def predict(self, x: list[list[int]]) -> np.ndarray:
        return self._model.predict(x)

    def unbatch(self, output: np.ndarray) -> list[np.ndarray]:
        return list(output)

    def encode_response(self, output: np.ndarray) -> dict:
        return {"predictions": output.tolist()}


class Single(Batched):
    """Without batches LitServe hands over one request and calls neither `batch` nor `unbatch`."""

    def predict(self, x: dict) -> np.ndarray:
        return self._model.predict(self._encoder.encode([x]))[0]


if __name__ == "__main__":
    # On SIGTERM LitServe leaves its workers behind; on SIGINT it stops them.
    signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
    form = Batched if SETTINGS.max_batch > 1 else Single
    server = litserve.LitServer(
        form(max_batch_size=SETTINGS.max_batch, batch_timeout=SETTINGS.max_wait_ms / 1000),
        accelerator="cpu",
        devices=1,
        workers_per_device=SETTINGS.workers,
        timeout=TIMEOUT_SECONDS,
        fast_queue=True,
    )
    quiet = {"generate_client_file": False, "log_level": "warning", "access_log": False}
    server.run(host=SETTINGS.host, port=SETTINGS.port, num_api_servers=1, **quiet)
