"""`python -m benchmarks`: measure, print, and write benchmarks/README.md."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from app.bundle import find_bundles, read_bundle, read_manifest
from benchmarks.measure import LOAD_CORE, Plan, Row, measure
from benchmarks.random_bundle import write_random_bundle
from benchmarks.report import page
from benchmarks.workload import Workload, random_sequences

PAGE = Path(__file__).with_name("README.md")
# A model that reads longer ones only gets those.
SEQUENCES, LONGEST_BASES = 2048, 1000
console = Console(stderr=True)


def main(
    models: Annotated[Path, typer.Option(help="Folder of the bundles to measure.")] = Path("models"),
    rounds: Annotated[int, typer.Option(help="Rounds in which raw and service take turns.")] = 3,
    seconds: Annotated[float, typer.Option(help="Seconds of each closed-loop run.")] = 4.0,
    write: Annotated[bool, typer.Option(help="Write benchmarks/README.md.")] = True,
) -> None:
    """Measure the service against raw ONNX Runtime, for each shipped bundle and a larger one with mixed lengths."""
    if not {0, LOAD_CORE} <= os.sched_getaffinity(0):
        raise typer.BadParameter("the benchmark needs two cores: one for the server, one for the load generator")
    plan = Plan(rounds, seconds)
    with tempfile.TemporaryDirectory() as scratch:
        workloads = [*map(shipped, measurable(models)), _mixed(Path(scratch))]
        measured = {}
        for workload in workloads:
            console.print(f"[bold]{workload.name}[/], {workload.lengths}")
            measured[workload] = measure(workload, plan)
            console.print(_table(measured[workload]))
        text = page(measured, plan)
    if write:
        PAGE.write_text(text)
    typer.echo(text)


def measurable(models: Path) -> list[Path]:
    """The bundles that read sequences; `make bench-people` measures those that read a window in segments."""
    rules = {path: read_manifest(path).input for path in find_bundles(models)}
    return [path for path, each in rules.items() if each.reads_sequences and each.segments is None]


def shipped(folder: Path) -> Workload:
    """A bundle with sequences of every length up to a thousand bases that it takes."""
    rules = read_bundle(folder).manifest.input
    shortest, longest = rules.min_bases, max(rules.min_bases, min(rules.max_bases, LONGEST_BASES))
    sequences = random_sequences(SEQUENCES, shortest, longest)
    return Workload(folder.name, folder, f"{shortest} to {longest} bases", sequences)


def _mixed(scratch: Path) -> Workload:
    folder = write_random_bundle(scratch)
    name = "DNABERT-2's architecture with 4 layers of 256, random weights"
    return Workload(name, folder, "60 to 1,000 bases", random_sequences(SEQUENCES, 60, 1000))


def _table(rows: list[Row]) -> Table:
    table = Table("load", "sequences/s", "of raw", "p50 ms", "p95 ms", "p99 ms", "errors")
    for row in rows:
        milliseconds = [f"{value:.2f}" for value in (row.p50_ms, row.p95_ms, row.p99_ms)]
        table.add_row(row.kind, f"{row.sequences_per_second:,.0f}", f"{row.ratio:.2f}", *milliseconds, str(row.errors))
    return table


if __name__ == "__main__":
    typer.run(main)
