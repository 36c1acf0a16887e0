"""mosec: POST /inference, one request an item."""

from __future__ import annotations

import sys

from mosec import Server, Worker
from work import TIMEOUT_SECONDS, Encoder, Model, Settings

SETTINGS = Settings.read()


class Tokenise(Worker):
    """A stage of its own in front of batches, as mosec recommends."""

    def __init__(self) -> None:
        self._encoder = Encoder(SETTINGS)

    def forward(self, body: dict) -> list[int]:
        return self._encoder.encode([body])[0]


class Infer(Worker):
    """The model, over batches of token ids."""

    def __init__(self) -> None:
        self._model = Model(SETTINGS)

    def forward(self, rows: list[list[int]]) -> list[dict]:
        return [{"predictions": row.tolist()} for row in self._model.predict(rows)]


class Single(Worker):
    """Both for one request, which saves the way from stage to stage."""

    def __init__(self) -> None:
        self._model, self._encoder = Model(SETTINGS), Encoder(SETTINGS)

    def forward(self, body: dict) -> dict:
        return {"predictions": self._model.predict(self._encoder.encode([body]))[0].tolist()}


if __name__ == "__main__":
    address = ["--address", SETTINGS.host, "--port", str(SETTINGS.port)]
    sys.argv[1:] = [*address, "--timeout", str(TIMEOUT_SECONDS * 1000), "--log-level", "warning"]
    server = Server()
    if SETTINGS.max_batch > 1:
        server.append_worker(Tokenise, num=SETTINGS.workers)
        wait_ms = max(1, round(SETTINGS.max_wait_ms))
        server.append_worker(Infer, num=SETTINGS.workers, max_batch_size=SETTINGS.max_batch, max_wait_time=wait_ms)
    else:
        server.append_worker(Single, num=SETTINGS.workers)
    server.run()
