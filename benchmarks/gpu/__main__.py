"""`python -m benchmarks.gpu`: check the service on a CUDA machine and write benchmarks/gpu.md."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import onnxruntime
import torch
import typer
from rich.console import Console

from app.bundle import find_bundles, read_bundle
from app.engine import OnnxModel
from app.session import CUDA
from benchmarks.gpu.checks import Check, check_alone, check_golden_examples, check_out_of_memory, check_rebuilt
from benchmarks.gpu.engines import Scale, time_engines
from benchmarks.gpu.page import page
from benchmarks.gpu.timing import matrix_rate
from benchmarks.random_bundle import write_random_bundle

PAGE = Path(__file__).parents[1] / "gpu.md"
NO_GPU = 69  # EX_UNAVAILABLE: a service that is needed is not there
# Their inner states alone would be 200 GB.
TOO_MANY_ROWS, LENGTH = 16_384, 1024
MIXED_LENGTHS = (3, 17, 64, 200, 511)
DEVICE = "cuda:0"
console = Console(stderr=True)


def main(
    models: Annotated[Path, typer.Option(help="Folder of the shipped bundles.")] = Path("models"),
    write: Annotated[bool, typer.Option(help="Write benchmarks/gpu.md.")] = True,
) -> None:
    """Exit with 1 if a check fails, and with 69 where there is no GPU."""
    if reason := why_not():
        typer.echo(f"gpu-check: {reason}", err=True)
        raise typer.Exit(NO_GPU)
    with tempfile.TemporaryDirectory() as scratch:
        scale = Scale()
        bundle = write_random_bundle(Path(scratch), scale.config, "fp16")
        checks = list(run_checks(models, bundle, DEVICE, TOO_MANY_ROWS))
        speeds = list(time_engines(scale, bundle, DEVICE, half=True))
    rate = matrix_rate(torch.device(DEVICE), torch.float16, scale.matrix, scale.rounds)
    text = page(torch.cuda.get_device_name(0), checks, speeds, scale.config, rate)
    if write:
        PAGE.write_text(text)
    typer.echo(text)
    sys.exit(not all(check.passed for check in checks))


def why_not() -> str:
    """Why nothing can be checked here; empty where there is a GPU that both frameworks see."""
    if not torch.cuda.is_available():
        return "no CUDA device here, so nothing was checked"
    if CUDA not in onnxruntime.get_available_providers():
        return "this ONNX Runtime has no CUDA, so nothing was checked; install basecast[gpu] in place of basecast[cpu]"
    return ""


def run_checks(models: Path, random: Path, device: str, too_many: int) -> Iterator[Check]:
    """Every shipped bundle, and a random one that is larger than they are.

    Args:
        too_many: rows of 1,024 tokens that the device cannot hold.
    """
    for folder in [*find_bundles(models), random]:
        console.print(f"golden examples of {folder.name}")
        yield check_golden_examples(read_bundle(folder), device)
    model = OnnxModel(read_bundle(random), device)
    chance = np.random.default_rng(1)
    yield check_alone(model, [chance.integers(5, 4000, size=length).astype(np.uint16) for length in MIXED_LENGTHS])
    yield check_out_of_memory(model, [np.full(LENGTH, 7, dtype=np.uint16)] * too_many)
    yield check_rebuilt(model)


if __name__ == "__main__":
    typer.run(main)
