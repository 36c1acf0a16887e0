"""`python -m benchmarks.peers.beside`: the bars of speed, with everybody alive at once and asked in turn.

In the rounds of `benchmarks.peers` minutes lie between two servers, and on a shared machine minutes differ by more than
the best servers do. Here they are alive side by side on one core, each is asked for some seconds while the others rest,
and what is compared lies seconds apart. Those are here that are best in some form on benchmarks/peers.md.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.interpreter import quickest, told
from benchmarks.measure import LOAD_CORE, SERVER_CORE
from benchmarks.peers.bars import of_loads
from benchmarks.peers.contestants import IN_PROCESS, ours, peers
from benchmarks.peers.environments import make_environment, make_our_environment
from benchmarks.peers.figures import OUR_NAME, Measured, Who
from benchmarks.peers.page import load_table
from benchmarks.peers.plan import Workload, compact, large, middle
from benchmarks.peers.servers import BATCHES, ONE_CORE, PEERS, interpreter_of
from benchmarks.peers.turns import in_turns, measure
from benchmarks.random_bundle import FULL, write_random_bundle
from benchmarks.report import machine

PAGE = Path(__file__).parents[1] / "beside.md"
ENVIRONMENTS = Path(__file__).with_name(".environments")
# The best in any form is asked just before ours, and bare ONNX Runtime just after.
SINGLE = Who("mosec", "single")
BEST = [Who("LitServe", BATCHES), Who("mosec", BATCHES), SINGLE, IN_PROCESS]
BEST_OF_LARGE = [SINGLE, IN_PROCESS]
TURNS = 8


class Part(StrEnum):
    """A model."""

    COMPACT = "compact"
    MIDDLE = "middle"
    LARGE = "large"


console = Console(stderr=True)


def main(
    models: Annotated[Path, typer.Option(help="Folder of the shipped bundles.")] = Path("models"),
    part: Annotated[list[Part], typer.Option(help="Models to measure.")] = list(Part),  # noqa: B006
    turns: Annotated[int, typer.Option(help="How often each server is asked under each load.")] = TURNS,
    python: Annotated[Path | None, typer.Option(help="Python of all servers; else the quickest here.")] = None,
    write: Annotated[bool, typer.Option(help="Write benchmarks/beside.md.")] = True,
) -> None:
    """Measure the service and the best peers side by side; thirty-five minutes."""
    if not {SERVER_CORE, LOAD_CORE} <= os.sched_getaffinity(0):
        raise typer.BadParameter("the benchmark needs two cores: one for the servers, one for the load generator")
    base = python or quickest()
    os.sched_setaffinity(0, {LOAD_CORE})  # a lone caller is this process
    make_our_environment(ENVIRONMENTS, base)
    for peer in PEERS:
        if peer.name in {who.server for who in BEST}:
            make_environment(peer, ENVIRONMENTS, base)
    with tempfile.TemporaryDirectory() as scratch:
        found = _measure_all(models, part, Path(scratch), turns)
    text = page(found, turns, told(base))
    if write:
        PAGE.write_text(text)
    typer.echo(text)


def _measure_all(models: Path, parts: Sequence[Part], scratch: Path, turns: int) -> list[Measured]:
    our_python = interpreter_of(OUR_NAME, ENVIRONMENTS)
    everybody = {each.who: each for each in [*ours(scratch, our_python), *peers(ONE_CORE, ENVIRONMENTS, scratch)]}
    found = []
    for part in parts:
        workload, best = in_turns(_workload(part, models, scratch)), BEST_OF_LARGE if part == Part.LARGE else BEST
        found.append(measure(workload, [everybody[who] for who in best], our_python, turns, _tell))
    return found


def _workload(part: Part, models: Path, scratch: Path) -> Workload:
    if part == Part.COMPACT:
        return compact(models / "utrseq-decay-dnabert2")
    folder = scratch / part
    folder.mkdir()
    return middle(write_random_bundle(folder)) if part == Part.MIDDLE else large(write_random_bundle(folder, FULL))


def _tell(line: str) -> None:
    console.print(f"{time.strftime('%H:%M:%S')} {line}")


def page(found: Sequence[Measured], turns: int, python: str) -> str:
    """The whole page."""
    rows = "".join(answer.row() for answer in of_loads(found))
    paces = [pace for measured in found for pace in measured.paces]
    low, high = min(paces, default=1), max(paces, default=1)
    return f"""# Benchmark: the service beside the best of the others, in turn

Written by `make bench-beside`. {machine()} {python}

| where | what | bar | median (smallest to largest turn) | |
|---|---|---|---:|---|
{rows}
**How.** All servers are alive at once on one core, the load generator has the other, and nobody is asked while
another one is. A server that uses more than a fiftieth of the core while nobody asks it is
stopped while others are asked. A lone caller sends everybody the same sequences in each turn, a few at a time (16; 8
with 4 layers, 1 with the largest model) in an order that is drawn anew each time, and bare ONNX Runtime computes them
as one of those that are asked. So what a sequence took is compared with what the same one took a second before or
after; {turns} turns. (CPU seconds in these tables are of whole turns, in which the others are asked meanwhile.) Many
callers ask each server for a second or two, four with the largest model, in turns that go forth and back ({turns},
twice as many but for the compact model), and bare ONNX Runtime, warm, computes a part of the same mixture in each
turn, one by one and in groups of equal length; the packing with the better median counts. In an open loop the service
and the best peer are asked for four seconds, ten with 4 layers, {turns} times. A ratio is always of two in the same
turn. In [the whole comparison](peers.md) minutes lie between servers. The service moves its memory to [huge
pages](../docs/tuning.md#huge-pages); bare ONNX Runtime and the others lie where they were loaded. Neighbours made the
machine between {low:.2f} and {high:.2f} times as fast as at the start; times are put in terms of that, as there.
Those servers are here that are best in some form on that page; everything else is as described there.

{"".join(map(_section, found))}"""


def _section(measured: Measured) -> str:
    tables = "\n".join(load_table(measured, load) for load in measured.workload.loads)
    return f"## {measured.workload.name}\n\n{tables}\n"


if __name__ == "__main__":
    typer.run(main)
