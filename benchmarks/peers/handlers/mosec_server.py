"""mosec: POST /inference, one request an item."""

from __future__ import annotations

import sys

from mosec import Server, Worker
from work import TIMEOUT_SECONDS, Encoder, Model, Settings

SETTINGS = Settings.read()


class Tokenise(Worker):
    """A stage of its own, as mosec recommends."""

    def __init__(self) -> None:
        self._encoder = Encoder(SETTINGS)

    def forward(self, body: dict) -> list[int]:
        return self._encoder.encode([body])[0]


class Infer(Worker):
    """The model; with batches of one mosec hands over an item instead of a list."""

    def __init__(self) -> None:
        self._model = Model(SETTINGS)

    def forward(self, data: list) -> object:
        batch = data if SETTINGS.max_batch > 1 else [data]
        answers = [{"predictions": row.tolist()} for row in self._model.predict(batch)]
        return answers if SETTINGS.max_batch > 1 else answers[0]


if __name__ == "__main__":
    address = ["--address", SETTINGS.host, "--port", str(SETTINGS.port)]
    sys.argv[1:] = [*address, "--timeout", str(TIMEOUT_SECONDS * 1000), "--log-level", "warning"]
    server = Server()
    server.append_worker(Tokenise, num=SETTINGS.workers)
    wait_ms = max(1, round(SETTINGS.max_wait_ms))
    server.append_worker(Infer, num=SETTINGS.workers, max_batch_size=SETTINGS.max_batch, max_wait_time=wait_ms)
    server.run()
