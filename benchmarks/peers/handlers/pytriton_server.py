"""PyTriton: POST /v2/models/peer/infer; each request is one BYTES value that holds JSON.

With token ids as a tensor Triton would never put requests of different lengths into one batch.
"""

from __future__ import annotations

import json
import signal

import numpy as np
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig
from work import Encoder, Model, Settings

SETTINGS = Settings.read()


class Infer:
    """One model, called with what Triton has put together."""

    def __init__(self) -> None:
        self._model, self._encoder = Model(SETTINGS), Encoder(SETTINGS)

    def __call__(self, requests: list) -> list[dict[str, np.ndarray]]:
        bodies = [[json.loads(text) for text in request["body"][:, 0]] for request in requests]
        rows = self._encoder.encode([body for each in bodies for body in each])
        ends = np.cumsum([len(each) for each in bodies])[:-1]
        return [{"predictions": part} for part in np.split(self._model.predict(rows), ends)]


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # PyTriton stops its children on SIGINT only
    where = {"http_address": SETTINGS.host, "grpc_address": SETTINGS.host, "metrics_address": SETTINGS.host}
    ports = {"http_port": SETTINGS.port, "grpc_port": SETTINGS.port + 1, "metrics_port": SETTINGS.port + 2}
    batches = SETTINGS.max_batch > 1
    batcher = DynamicBatcher(max_queue_delay_microseconds=int(SETTINGS.max_wait_ms * 1000))
    batching = {"max_batch_size": SETTINGS.max_batch, "batcher": batcher} if batches else {"batching": False}
    rows = () if batches else (-1,)  # without batching, a request's rows are an axis like any other
    with Triton(config=TritonConfig(**where, **ports, log_verbose=0)) as triton:
        triton.bind(
            model_name="peer",
            infer_func=[Infer() for _ in range(SETTINGS.workers)],
            inputs=[Tensor(name="body", dtype=bytes, shape=(*rows, 1))],
            outputs=[Tensor(name="predictions", dtype=np.float32, shape=(*rows, -1))],
            config=ModelConfig(**batching),
        )
        triton.serve()
