"""`python -m benchmarks.quick`: has the service become slower, beside bare ONNX Runtime? Under two minutes."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.measure import HERE, SERVER_CORE
from benchmarks.peers.bars import percentile
from benchmarks.peers.contestants import IN_PROCESS, ours
from benchmarks.peers.figures import Measured
from benchmarks.peers.measuring import measure
from benchmarks.peers.plan import COMPACT, MIDDLE, Load, Mixture, Workload, fixed, uniform
from benchmarks.quick.ratios import Recorded, Verdict, compare, from_json, to_json
from benchmarks.random_bundle import write_random_bundle
from benchmarks.report import machine

COMMITTED = Path(__file__).with_name("ratios.json")
SHIPPED = Path("models/utrseq-decay-dnabert2")
ROUNDS = 3
console = Console()


def main(
    record: Annotated[bool, typer.Option("--record", help="Write what is measured, in place of comparing.")] = False,
) -> None:
    """Compare with the committed ratios; exit with 1 if one of them fell, or none are committed."""
    if not record and not COMMITTED.is_file():
        console.print(
            "nothing is recorded yet: python -m benchmarks.quick --record, on a machine that does nothing else"
        )
        raise typer.Exit(1)
    with tempfile.TemporaryDirectory() as scratch:
        figures = dict(_figures(Path(scratch)))
    before = from_json(COMMITTED.read_text()) if COMMITTED.is_file() else Recorded("", {})
    verdicts = compare(before.figures, figures)
    console.print(_table(verdicts))
    for when, where in (("Recorded", before.machine), ("Now", machine())):
        console.print(f"{when}: {where.removeprefix('Machine: ')}")
    console.print("A slower processor adds more ms to a request.")
    if record:
        COMMITTED.write_text(to_json(figures, machine()))
    elif any(verdict.fell for verdict in verdicts):
        raise typer.Exit(1)


def workloads(scratch: Path) -> list[Workload]:
    """The compact model and the one of 4 layers: one caller, single sequences, lists."""
    short, mixed = replace(fixed(110), passes=1), uniform(60, 1000, count=96)
    return [
        Workload(COMPACT, SHIPPED, _loads(short, 256, 1.0, 32), ROUNDS),
        Workload(MIDDLE, write_random_bundle(scratch), _loads(mixed, 48, 1.5, 16), ROUNDS),
    ]


def _loads(mixture: Mixture, most: int, seconds: float, size: int) -> tuple[Load, ...]:
    one = Load(mixture, 1, most=most)
    return one, Load(mixture, 32, seconds=seconds), Load(mixture, 4, size=size, seconds=seconds)


def _figures(scratch: Path) -> Iterator[tuple[str, list[float]]]:
    for workload in workloads(scratch):
        with console.status(workload.name) as status:
            yield from figures_of(measure(workload, ours(scratch, HERE)[:1], {SERVER_CORE}, HERE, status.update))


def figures_of(measured: Measured) -> Iterator[tuple[str, list[float]]]:
    """What is compared, one figure a round."""
    for load in measured.workload.loads:
        name, bare = f"{measured.workload.name}, {load.name}", measured.bare[load.mixture.name]
        pairs = list(zip(measured.of(load)[IN_PROCESS], bare, strict=True))
        if load.callers == 1:
            alone = [statistics.median(each.alone_ms[: load.most]) for each in bare]
            added = [percentile(run.latencies_ms, 0.5) - least for (run, _), least in zip(pairs, alone, strict=True)]
            yield f"{name}: p50 added, ms", added
        else:
            tokens = statistics.mean(measured.tokens[load.mixture.name])
            yield (
                f"{name}: tokens/s of bare",
                [run.tokens_per_second / (each.per_second * tokens) for run, each in pairs],
            )


def _table(verdicts: list[Verdict]) -> Table:
    table = Table("figure", "recorded", "now", "change", "tolerance", "")
    for verdict in verdicts:
        table.add_row(*verdict.row(), "[red]fell[/]" if verdict.fell else "")
    return table


if __name__ == "__main__":
    typer.run(main)
