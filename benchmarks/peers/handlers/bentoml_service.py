"""BentoML: POST /predict, a list in and a list out; it learns by itself how long to wait."""

from __future__ import annotations

import bentoml
from work import TIMEOUT_SECONDS, Encoder, Model, Settings

SETTINGS = Settings.read()


BATCHING = {"batchable": True, "max_batch_size": SETTINGS.max_batch, "max_latency_ms": TIMEOUT_SECONDS * 1000}


@bentoml.service(workers=SETTINGS.workers, traffic={"timeout": TIMEOUT_SECONDS}, logging={"access": {"enabled": False}})
class Peer:
    """The model; without batches its dispatcher is left out altogether."""

    def __init__(self) -> None:
        self._model, self._encoder = Model(SETTINGS), Encoder(SETTINGS)

    @bentoml.api(**(BATCHING if SETTINGS.max_batch > 1 else {}))
    def predict(self, items: list[dict]) -> list[list[float]]:
        """Predict for each item."""
        return self._model.predict(self._encoder.encode(items)).tolist()
