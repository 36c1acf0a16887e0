"""`python -m benchmarks.peers`: measure the service beside five others and write benchmarks/peers.md."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.measure import LOAD_CORE, SERVER_CORE
from benchmarks.peers.contestants import Contestant, ours, peers
from benchmarks.peers.environments import make_environment
from benchmarks.peers.figures import Measured, finalists
from benchmarks.peers.footprint import footprints
from benchmarks.peers.measuring import measure
from benchmarks.peers.page import Part, page
from benchmarks.peers.picture import draw
from benchmarks.peers.plan import Workload, compact, large, middle, two_cores
from benchmarks.peers.servers import ONE_CORE, PEERS, TWO_CORES
from benchmarks.random_bundle import FULL, write_random_bundle

PAGE = Path(__file__).parents[1] / "peers.md"
ENVIRONMENTS = Path(__file__).with_name(".environments")
SHIPPED, ALONE = "utrseq-decay-dnabert2", "utrseq-decay"
LARGE_PEERS = 2  # that serve the large model, which would take half an hour of its own with all of them
console = Console(stderr=True)


def main(
    models: Annotated[Path, typer.Option(help="Folder of the shipped bundles.")] = Path("models"),
    only: Annotated[list[str] | None, typer.Option("--peer", help="Measure these peers only.")] = None,
    rounds: Annotated[int | None, typer.Option(help="Rounds, in place of the plan's.")] = None,
    write: Annotated[bool, typer.Option(help="Write benchmarks/peers.md and its picture.")] = True,
) -> None:
    """Measure the service beside mosec, LitServe, BentoML, PyTriton and Ray Serve; three quarters of an hour."""
    if not {SERVER_CORE, LOAD_CORE} <= os.sched_getaffinity(0):
        raise typer.BadParameter("the benchmark needs two cores: one for the servers, one for the load generator")
    names = only or []
    for peer in PEERS:
        if not names or peer.name in names:
            console.print(f"virtual environment of {peer.name}")
            make_environment(peer, ENVIRONMENTS)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        parts = _measure_all(models, Path(scratch), names, rounds)
        resting = footprints(models, ALONE, Path(scratch))
        picture = PAGE.with_suffix(".png") if write else Path(scratch) / "peers.png"
        draw(parts[0].workloads, picture)
    text = page(parts, resting, (time.monotonic() - began) / 60, picture.name)
    if write:
        PAGE.write_text(text)
    typer.echo(text)


def _measure_all(models: Path, scratch: Path, names: Sequence[str], rounds: int | None) -> list[Part]:
    random, full = (
        write_random_bundle(_folder(scratch / "middle")),
        write_random_bundle(_folder(scratch / "large"), FULL),
    )
    service = ours(scratch)
    pinned = [*service, *peers(ONE_CORE, ENVIRONMENTS, scratch, names)]
    both = [*service, *peers(TWO_CORES, ENVIRONMENTS, scratch, names)]
    first = [
        _measure(workload, pinned, {SERVER_CORE}, rounds) for workload in (compact(models / SHIPPED), middle(random))
    ]
    fastest = [contestant for contestant in pinned if contestant.who in finalists(first[-1], LARGE_PEERS)]
    first.append(_measure(large(full), fastest, {SERVER_CORE}, rounds))
    cores = {SERVER_CORE, LOAD_CORE}
    second = [_measure(workload, both, cores, rounds) for workload in two_cores(models / SHIPPED, random)]
    where = "The server on one core, the load generator on the other", "Both cores shared by server and load generator"
    return [Part(where[0], first), Part(where[1], second)]


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def _measure(workload: Workload, contestants: Sequence[Contestant], cores: set[int], rounds: int | None) -> Measured:
    planned = replace(workload, rounds=rounds or workload.rounds)
    with console.status("measuring") as status:
        return measure(planned, contestants, cores, status.update)


if __name__ == "__main__":
    typer.run(main)
