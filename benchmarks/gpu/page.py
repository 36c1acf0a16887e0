"""What the checks and the engines showed, as a page: benchmarks/gpu.md."""

from __future__ import annotations

from collections.abc import Sequence

import onnxruntime

from benchmarks.gpu.checks import Check
from benchmarks.gpu.packing import operations
from benchmarks.gpu.timing import Speed
from benchmarks.report import machine
from training.recipe import ModelConfig

LIBRARIES = ("torch",)


def page(card: str, checks: Sequence[Check], speeds: Sequence[Speed], config: ModelConfig, matrix_rate: float) -> str:
    """The whole page.

    Args:
        card: the device's name.
        matrix_rate: operations a second of a large matrix product on it.
    """
    return f"""# The service on a GPU: {card}

Written by `make gpu-check`. {machine(LIBRARIES)} ONNX Runtime {onnxruntime.__version__}.

| check | | seen |
|---|---|---|
{"".join(_checked(check) for check in checks)}
## The engine

DNABERT-2's architecture, {config.layers} layers of {config.width}, random weights, fp16; rows go from and to the host's
memory in all engines. Medians of the rounds, spread is (largest - smallest) / median; tokens are real ones, without
padding. The last column is the model's matrix products as a share of the {matrix_rate / 1e12:,.1f} TFLOP/s that torch
reaches on this card with the product of two large fp16 matrices.

| batches | padding | engine | tokens/s | spread | of torch, SDPA | of the card's matrix rate |
|---|---:|---|---:|---:|---:|---:|
{"".join(_row(speed, speeds, config, matrix_rate) for speed in speeds)}"""


def _checked(check: Check) -> str:
    return f"| {check.name} | {'passed' if check.passed else '**failed**'} | {check.seen} |\n"


def _row(speed: Speed, speeds: Sequence[Speed], config: ModelConfig, matrix_rate: float) -> str:
    batches = speed.batches
    others = [each for each in speeds if each.batches is batches and each.engine.endswith("SDPA")]
    of_torch = f"{speed.tokens_per_second / others[0].tokens_per_second:.2f}" if others else ""
    cells = [
        batches.name,
        f"{batches.padding:.0%}",
        speed.engine,
        f"{speed.tokens_per_second:,.0f}",
        f"{speed.spread:.0%}",
        of_torch,
        f"{matrix_share(speed, config, matrix_rate):.1%}",
    ]
    return f"| {' | '.join(cells)} |\n"


def matrix_share(speed: Speed, config: ModelConfig, matrix_rate: float) -> float:
    """The model's own operations a second, of what the device can do at most."""
    rows = [row for batch in speed.batches.rows for row in batch]
    return operations(config, rows) / speed.batches.tokens * speed.tokens_per_second / matrix_rate
