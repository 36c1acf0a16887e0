"""The engine beside torch on one device: fixed lengths, and mixed ones padded and packed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from app.batching import GPU_LIMITS
from app.bundle import read_bundle
from app.encoding import Ids
from app.engine import OnnxModel
from benchmarks.gpu.fused import fuse_attention, torch_predict
from benchmarks.gpu.packing import Batches, as_the_service_forms_them, as_they_come
from benchmarks.gpu.timing import Predict, Speed, time_batches
from benchmarks.random_bundle import FULL, random_model
from training.recipe import ModelConfig

OURS, SDPA, COMPILED = "ours (ONNX Runtime)", "torch, SDPA", "torch, SDPA, torch.compile"


@dataclass(frozen=True)
class Scale:
    """How much is computed.

    Attributes:
        lengths: in tokens, of batches of one length.
        tokens: of one such batch, about.
        mixed: sequences of the mixture, of 16 tokens to the longest of `lengths`.
        rows: of a batch of these as they come.
        matrix: side of the product that says what the device can do at most.
    """

    config: ModelConfig = FULL
    lengths: tuple[int, ...] = (64, 256, 512, 1024)
    tokens: int = 65_536
    mixed: int = 1024
    rows: int = 64
    rounds: int = 5
    matrix: int = 8192


def batches_of(scale: Scale) -> list[Batches]:
    """Everything that each engine computes."""
    chance = np.random.default_rng(0)
    fixed = [
        Batches(f"{length:,} tokens", (_rows(chance, [length] * (scale.tokens // length)),)) for length in scale.lengths
    ]
    mixed = _rows(chance, chance.integers(16, max(scale.lengths), size=scale.mixed, endpoint=True).tolist())
    return [*fixed, as_they_come(mixed, scale.rows), as_the_service_forms_them(mixed, GPU_LIMITS)]


def _rows(chance: np.random.Generator, lengths: Sequence[int]) -> tuple[Ids, ...]:
    return tuple(chance.integers(5, 4000, size=length).astype(np.uint16) for length in lengths)


def time_engines(scale: Scale, bundle: Path, device: str, *, half: bool, compiled: bool = True) -> Iterator[Speed]:
    """Every engine on all batches; compiled torch on fixed lengths only, since it compiles each shape by itself."""
    engines = dict(_engines(scale, bundle, device, half=half, compiled=compiled))
    for batches in batches_of(scale):
        one_length = len({len(row) for rows in batches.rows for row in rows}) == 1
        for name, predict in engines.items():
            if name != COMPILED or one_length:
                yield time_batches(name, predict, batches, scale.rounds)


def _engines(scale: Scale, bundle: Path, device: str, *, half: bool, compiled: bool) -> Iterator[tuple[str, Predict]]:
    where = torch.device(device)
    yield OURS, OnnxModel(read_bundle(bundle), device, allow_cpu=device == "cpu").predict
    model, feeder, _ = random_model(scale.config)
    fused = fuse_attention(model).to(where, torch.float16 if half else torch.float32)
    yield SDPA, torch_predict(fused, feeder, where)
    if compiled:
        yield COMPILED, torch_predict(torch.compile(fused, dynamic=False), feeder, where)
