"""`python -m benchmarks.peers.beside`: the bars of speed, with everybody alive at once and asked in turn.

In the rounds of `benchmarks.peers` minutes lie between two servers, and on a shared machine minutes differ by more than
the best servers do. Here they are alive side by side on one core, each is asked for some seconds while the others rest,
and what is compared lies seconds apart. Those are here that are best in some form on benchmarks/peers.md.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.interpreter import quickest, told
from benchmarks.measure import LOAD_CORE, SERVER_CORE
from benchmarks.peers.asking import check_answers, expected_values, items_of
from benchmarks.peers.bare import Bare, run_bare
from benchmarks.peers.bars import of_loads
from benchmarks.peers.contestants import IN_PROCESS, Contestant, ours, peers
from benchmarks.peers.environments import make_environment, make_our_environment
from benchmarks.peers.figures import OUR_NAME, Measured, Who, is_plain
from benchmarks.peers.measuring import Course, run_load
from benchmarks.peers.page import load_table
from benchmarks.peers.plan import COMPACT, LARGE, MIDDLE, Load, Workload, compact, large, middle
from benchmarks.peers.processes import Running
from benchmarks.peers.servers import BATCHES, ONE_CORE, PEERS, interpreter_of
from benchmarks.random_bundle import FULL, write_random_bundle
from benchmarks.report import machine
from benchmarks.yardstick import yardstick

PAGE = Path(__file__).parents[1] / "beside.md"
ENVIRONMENTS = Path(__file__).with_name(".environments")
SINGLE = Who("mosec", "single")
BEST = frozenset({IN_PROCESS, SINGLE, Who("mosec", BATCHES), Who("LitServe", BATCHES)})
BEST_OF_LARGE = frozenset({IN_PROCESS, SINGLE})
TURNS = 8
# Of a lone caller, so that all servers answer the same requests: some two seconds of the slowest.
MOST = {COMPACT: 256, MIDDLE: 96, LARGE: 6}
MANY = {COMPACT: 32, MIDDLE: 32, LARGE: 8}  # callers
LONE_SECONDS, LATE_SECONDS = 2.9, 4.0  # at most
SHARE = 0.8  # of the best peer's capacity, at which late answers count
Alive = tuple[Contestant, Running]
console = Console(stderr=True)


def main(
    models: Annotated[Path, typer.Option(help="Folder of the shipped bundles.")] = Path("models"),
    turns: Annotated[int, typer.Option(help="How often each server is asked under each load.")] = TURNS,
    python: Annotated[Path | None, typer.Option(help="Python of all servers; else the quickest here.")] = None,
    write: Annotated[bool, typer.Option(help="Write benchmarks/beside.md.")] = True,
) -> None:
    """Measure the service and the best peers side by side; half an hour."""
    if not {SERVER_CORE, LOAD_CORE} <= os.sched_getaffinity(0):
        raise typer.BadParameter("the benchmark needs two cores: one for the servers, one for the load generator")
    base = python or quickest()
    make_our_environment(ENVIRONMENTS, base)
    for peer in PEERS:
        if peer.name in {who.server for who in BEST}:
            make_environment(peer, ENVIRONMENTS, base)
    with tempfile.TemporaryDirectory() as scratch:
        found = _measure_all(models, Path(scratch), turns)
    text = page(found, turns, told(base))
    if write:
        PAGE.write_text(text)
    typer.echo(text)


def _measure_all(models: Path, scratch: Path, turns: int) -> list[Measured]:
    (scratch / "middle").mkdir()
    (scratch / "large").mkdir()
    our_python = interpreter_of(OUR_NAME, ENVIRONMENTS)
    everybody = [*ours(scratch, our_python), *peers(ONE_CORE, ENVIRONMENTS, scratch)]
    found = []
    for workload, best in (
        (compact(models / "utrseq-decay-dnabert2"), BEST),
        (middle(write_random_bundle(scratch / "middle")), BEST),
        (large(write_random_bundle(scratch / "large", FULL)), BEST_OF_LARGE),
    ):
        contestants = [each for each in everybody if each.who in best]
        found.append(measure(in_turns(workload), contestants, our_python, turns, _tell))
    return found


def _tell(line: str) -> None:
    console.print(f"{time.strftime('%H:%M:%S')} {line}")


def in_turns(workload: Workload) -> Workload:
    """The loads that the bars of speed are about, as long as one turn."""
    loads = []
    for load in workload.loads:
        if load.share == SHARE:
            loads.append(replace(load, seconds=LATE_SECONDS))
        elif is_plain(load) and load.callers == 1:
            loads.append(replace(load, seconds=LONE_SECONDS, most=MOST[workload.name]))
        elif is_plain(load) and load.callers == MANY[workload.name]:
            loads.append(load)
    return replace(workload, loads=tuple(loads))


def measure(
    workload: Workload, contestants: Sequence[Contestant], python: Path, turns: int, progress: Callable[[str], None]
) -> Measured:
    """Each load in so many turns; bare ONNX Runtime before the first load and after each.

    Args:
        python: the interpreter of bare ONNX Runtime, as of the servers.
    """
    tokens = {mixture.name: list(map(len, workload.token_rows(mixture))) for mixture in workload.mixtures()}
    found, cores = Measured(workload, tokens), frozenset({SERVER_CORE})
    expected = expected_values(workload, workload.loads[0].mixture)
    with yardstick(workload.bundle, workload.yardstick, cores, python) as stick, ExitStack() as stack:
        course = Course(found, expected, cores, stick, python, progress)
        alive = [(each, _started(stack, course, each)) for each in contestants]
        bare = [_bare(course)]
        for load in workload.loads:
            progress(f"{workload.name}: {load.name}")
            for turn in range(turns):
                _turn(course, alive if turn % 2 == 0 else alive[::-1], load)
            bare.append(_bare(course))
        found.paces.extend(stick.paces)
    found.bare.update({name: [_middle([each[name] for each in bare])] * turns for name in bare[0]})
    return found


def _started(stack: ExitStack, course: Course, contestant: Contestant) -> Running:
    workload = course.found.workload
    course.progress(f"{workload.name}: starting {contestant.who.name}")
    server = stack.enter_context(contestant.start(workload, set(course.cores)))
    check_answers(server.port, contestant.wire, items_of(workload, workload.loads[0], contestant.wire), course.expected)
    return server


def _turn(course: Course, alive: Sequence[Alive], load: Load) -> None:
    for contestant, server in alive:
        run = run_load(course, server, contestant, load)
        course.found.runs.setdefault((contestant.who, load.name), []).append(run)


def _bare(course: Course) -> dict[str, Bare]:
    workload = course.found.workload
    return {
        mixture.name: run_bare(workload, mixture, course.cores, course.yardstick, course.python)
        for mixture in workload.mixtures()
    }


def _middle(found: Sequence[Bare]) -> Bare:
    """The median of each figure."""
    alone = tuple(statistics.median(times) for times in zip(*(each.alone_ms for each in found), strict=True))
    return Bare(statistics.median(each.per_second for each in found), alone)


def page(found: Sequence[Measured], turns: int, python: str) -> str:
    """The whole page."""
    rows = "".join(answer.row() for answer in of_loads(found))
    paces = [pace for measured in found for pace in measured.paces]
    low, high = min(paces, default=1), max(paces, default=1)
    return f"""# Benchmark: the service beside the best of the others, in turn

Written by `make bench-beside`. {machine()} {python}

| where | what | bar | median (smallest to largest of {turns} turns) | |
|---|---|---|---:|---|
{rows}
**How.** All servers are alive at once on one core, the load generator has the other. Each is asked for one to four
seconds (nine with the largest model) while the others rest, in turns that go forth and back; a ratio is of two that
were asked in the same turn, seconds apart. In [the whole comparison](peers.md) minutes lie between them. Neighbours
made the machine between {low:.2f} and {high:.2f} times as fast as at the start; times are put in terms of that, as
there, and bare ONNX Runtime is the median of some runs between the loads. Those servers are here that are best in some
form on that page; everything else is as described there.

{"".join(map(_section, found))}"""


def _section(measured: Measured) -> str:
    tables = "\n".join(load_table(measured, load) for load in measured.workload.loads)
    return f"## {measured.workload.name}\n\n{tables}\n"


if __name__ == "__main__":
    typer.run(main)
