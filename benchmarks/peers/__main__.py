"""`python -m benchmarks.peers`: measure the service beside five others and write benchmarks/peers.md."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.interpreter import is_of_this_release, quickest, told
from benchmarks.measure import LOAD_CORE, SERVER_CORE
from benchmarks.peers.contestants import Contestant, ours, peers
from benchmarks.peers.environments import make_environment, make_our_environment
from benchmarks.peers.figures import OUR_NAME, Measured, finalists
from benchmarks.peers.footprint import footprints
from benchmarks.peers.measuring import measure
from benchmarks.peers.page import Part, Setting, page
from benchmarks.peers.picture import draw
from benchmarks.peers.plan import Workload, compact, large, middle, two_cores
from benchmarks.peers.servers import ONE_CORE, PEERS, TWO_CORES, interpreter_of
from benchmarks.random_bundle import FULL, write_random_bundle

PAGE = Path(__file__).parents[1] / "peers.md"
ENVIRONMENTS = Path(__file__).with_name(".environments")
PYTHON = interpreter_of(OUR_NAME, ENVIRONMENTS)


class PartName(StrEnum):
    """What can be measured by itself."""

    COMPACT = "compact"
    MIDDLE = "middle"
    LARGE = "large"
    TWO_CORES = "two-cores"


SHIPPED, ALONE = "utrseq-decay-dnabert2", "utrseq-decay"
LARGE_PEERS = 2  # that serve the large model, which would take half an hour of its own with all of them
console = Console(stderr=True)


def main(
    models: Annotated[Path, typer.Option(help="Folder of the shipped bundles.")] = Path("models"),
    only: Annotated[list[str] | None, typer.Option("--peer", help="Measure these peers only.")] = None,
    parts: Annotated[
        list[PartName] | None, typer.Option("--part", help="Measure these parts only; all where none is named.")
    ] = None,
    rounds: Annotated[int | None, typer.Option(help="Rounds, in place of the plan's.")] = None,
    python: Annotated[
        Path | None, typer.Option(help="Python of all servers; else the quickest of this release.")
    ] = None,
    write: Annotated[bool, typer.Option(help="Write benchmarks/peers.md and its picture.")] = True,
) -> None:
    """Measure the service beside mosec, LitServe, BentoML, PyTriton and Ray Serve; three quarters of an hour."""
    if not {SERVER_CORE, LOAD_CORE} <= os.sched_getaffinity(0):
        raise typer.BadParameter("the benchmark needs two cores: one for the servers, one for the load generator")
    names = only or []
    if python and not is_of_this_release(python):
        raise typer.BadParameter("the servers' Python has to be of the release that runs this, for the same wheels")
    base = python or quickest()
    _make_environments(names, base)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        asked = parts or list(PartName)
        measured = _measure_all(models, Path(scratch), names, rounds, asked)
        resting = footprints(models, ALONE, Path(scratch), PYTHON)
        picture = PAGE.with_suffix(".png") if write else Path(scratch) / "peers.png"
        draw(measured[0].workloads, picture)
    text = page(measured, resting, Setting(told(base), (time.monotonic() - began) / 60), picture.name)
    if write:
        PAGE.write_text(text)
    typer.echo(text)


def _make_environments(names: Sequence[str], base: Path) -> None:
    console.print("virtual environment of the service")
    make_our_environment(ENVIRONMENTS, base)
    for peer in PEERS:
        if not names or peer.name in names:
            console.print(f"virtual environment of {peer.name}")
            make_environment(peer, ENVIRONMENTS, base)


def _measure_all(
    models: Path, scratch: Path, names: Sequence[str], rounds: int | None, asked: Sequence[PartName]
) -> list[Part]:
    random = write_random_bundle(_folder(scratch / "middle"))
    service = ours(scratch, PYTHON)
    pinned = [*service, *peers(ONE_CORE, ENVIRONMENTS, scratch, names)]
    first = []
    if PartName.COMPACT in asked:
        first.append(_measure(compact(models / SHIPPED), pinned, {SERVER_CORE}, rounds))
    if PartName.MIDDLE in asked:
        first.append(_measure(middle(random), pinned, {SERVER_CORE}, rounds))
    if PartName.LARGE in asked:
        full = write_random_bundle(_folder(scratch / "large"), FULL)
        best = finalists(first[-1], LARGE_PEERS) if first else [contestant.who for contestant in pinned]
        fastest = [contestant for contestant in pinned if contestant.who in best]
        first.append(_measure(large(full), fastest, {SERVER_CORE}, rounds))
    found = [Part("The server on one core, the load generator on the other", first)] if first else []
    if PartName.TWO_CORES in asked:
        both = [*service, *peers(TWO_CORES, ENVIRONMENTS, scratch, names)]
        cores = {SERVER_CORE, LOAD_CORE}
        second = [_measure(workload, both, cores, rounds) for workload in two_cores(models / SHIPPED, random)]
        found.append(Part("Both cores shared by server and load generator", second))
    return found


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def _measure(workload: Workload, contestants: Sequence[Contestant], cores: set[int], rounds: int | None) -> Measured:
    planned = replace(workload, rounds=rounds or workload.rounds)
    if not console.is_terminal:
        return measure(
            planned, contestants, cores, PYTHON, lambda line: console.print(f"{datetime.now():%H:%M:%S} {line}")
        )
    with console.status("measuring") as status:
        return measure(planned, contestants, cores, PYTHON, status.update)


if __name__ == "__main__":
    typer.run(main)
