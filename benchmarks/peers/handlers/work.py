"""What every handler does alike, so that a comparison is one of servers: settings, the model, padding, tokenising.

Settings come from the environment: MODEL, TOKENIZER (where requests carry text), HOST, PORT, MAX_BATCH, MAX_WAIT_MS,
WORKERS (processes with a model each), INTRA (ONNX Runtime's threads in each), PAD_ID.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Settings:
    """How a peer is to serve."""

    model: str
    tokenizer: str | None
    host: str
    port: int
    max_batch: int
    max_wait_ms: float
    workers: int
    intra: int
    pad_id: int

    @classmethod
    def read(cls) -> Settings:
        """The settings of this process."""
        given = os.environ
        return cls(
            model=given["MODEL"],
            tokenizer=given.get("TOKENIZER") or None,
            host=given.get("HOST", "127.0.0.1"),
            port=int(given["PORT"]),
            max_batch=int(given.get("MAX_BATCH", "32")),
            max_wait_ms=float(given.get("MAX_WAIT_MS", "5")),
            workers=int(given.get("WORKERS", "1")),
            intra=int(given.get("INTRA", "1")),
            pad_id=int(given.get("PAD_ID", "0")),
        )


class Model:
    """One ONNX Runtime session."""

    def __init__(self, settings: Settings) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = settings.intra
        options.inter_op_num_threads = 1
        # Idle threads would otherwise spin on the cores that tokenise and answer.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(settings.model, options, providers=["CPUExecutionProvider"])
        self._pad_id, self._max_batch = settings.pad_id, settings.max_batch
        self.predict([[5, 6, 7]])  # the first run allocates

    def predict(self, rows: list[list[int]]) -> np.ndarray:
        """Token ids to values (rows, targets); with batches of one, a request's rows are computed one by one."""
        if len(rows) <= self._max_batch:
            return self._run(rows)
        starts = range(0, len(rows), self._max_batch)
        return np.concatenate([self._run(rows[start : start + self._max_batch]) for start in starts])

    def _run(self, rows: list[list[int]]) -> np.ndarray:
        """One batch, padded to its longest row."""
        longest = max(map(len, rows))
        ids = np.full((len(rows), longest), self._pad_id, dtype=np.int64)
        mask = np.zeros((len(rows), longest), dtype=np.int64)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = row
            mask[index, : len(row)] = 1
        return self._session.run(None, {"input_ids": ids, "attention_mask": mask})[0]


class Encoder:
    """Requests to token ids: those that they carry, or those of the text that they carry."""

    def __init__(self, settings: Settings) -> None:
        self._tokenizer = Tokenizer.from_file(settings.tokenizer) if settings.tokenizer else None
        if self._tokenizer is not None:
            self._tokenizer.no_padding()
            # The same texts come over and over here, and in use hardly ever: nobody is to know them by heart.
            self._tokenizer.model._resize_cache(0)  # noqa: SLF001 - the only way to it

    def encode(self, bodies: list[dict]) -> list[list[int]]:
        """All of them at once."""
        texts = [body["sequence"] for body in bodies if "input_ids" not in body]
        encoded = iter(self._tokenizer.encode_batch_fast(texts)) if texts else iter(())
        return [body["input_ids"] if "input_ids" in body else next(encoded).ids for body in bodies]
