"""`python -m benchmarks.peers`: measure the service beside five others and write benchmarks/peers.md."""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.measure import LOAD_CORE, SERVER_CORE
from benchmarks.peers.contestants import Contestant, ours, peers
from benchmarks.peers.environments import make_environment
from benchmarks.peers.footprint import footprints
from benchmarks.peers.measuring import Measured, measure
from benchmarks.peers.page import page
from benchmarks.peers.plan import Workload, one_core, two_cores
from benchmarks.peers.servers import ONE_CORE, PEERS, TWO_CORES
from benchmarks.random_bundle import MODEL, write_random_bundle

PAGE = Path(__file__).parents[1] / "peers.md"
ENVIRONMENTS = Path(__file__).with_name(".environments")
SHIPPED, ALONE = "utrseq-decay-dnabert2", "utrseq-decay"
LARGE = replace(MODEL, width=768, layers=12, heads=12, inner_width=3072)
console = Console(stderr=True)


def main(
    models: Annotated[Path, typer.Option(help="Folder of the shipped bundles.")] = Path("models"),
    only: Annotated[list[str] | None, typer.Option("--peer", help="Measure these peers only.")] = None,
    rounds: Annotated[int | None, typer.Option(help="Rounds, in place of the plan's.")] = None,
    write: Annotated[bool, typer.Option(help="Write benchmarks/peers.md.")] = True,
) -> None:
    """Measure the service beside mosec, LitServe, BentoML, PyTriton and Ray Serve; about an hour."""
    if not {SERVER_CORE, LOAD_CORE} <= os.sched_getaffinity(0):
        raise typer.BadParameter("the benchmark needs two cores: one for the servers, one for the load generator")
    began = time.monotonic()
    names = only or []
    for peer in PEERS:
        if not names or peer.name in names:
            console.print(f"virtual environment of {peer.name}")
            make_environment(peer, ENVIRONMENTS)
    with tempfile.TemporaryDirectory() as scratch:
        logs = Path(scratch)
        mixed = write_random_bundle(_folder(logs / "mixed"))
        large = write_random_bundle(_folder(logs / "large"), LARGE)
        pinned = [*ours(logs), *peers(ONE_CORE, ENVIRONMENTS, logs, names)]
        shared = [*ours(logs), *peers(TWO_CORES, ENVIRONMENTS, logs, names)]
        first = _measure(one_core(models / SHIPPED, mixed, large), pinned, {SERVER_CORE}, rounds)
        second = _measure(two_cores(models / SHIPPED, mixed), shared, {SERVER_CORE, LOAD_CORE}, rounds)
        resting = footprints(models, ALONE, logs)
    text = page(first, second, resting, (time.monotonic() - began) / 60)
    if write:
        PAGE.write_text(text)
    typer.echo(text)


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def _measure(
    workloads: list[Workload], contestants: list[Contestant], cores: set[int], rounds: int | None
) -> list[Measured]:
    found = []
    with console.status("measuring") as status:
        for workload in workloads:
            planned = replace(workload, rounds=rounds or workload.rounds)
            found.append(measure(planned, contestants, cores, status.update))
    return found


if __name__ == "__main__":
    typer.run(main)
