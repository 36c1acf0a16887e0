"""Workloads measured in turn: everybody alive at once, asked for some seconds each while the others rest."""

from __future__ import annotations

import signal
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from benchmarks.bare_program import BareProgram, Batch, bare_program
from benchmarks.load import Tally
from benchmarks.measure import SERVER_CORE
from benchmarks.peers.asking import check_answers, expected_values, items_of, requests_of
from benchmarks.peers.bare import Bare
from benchmarks.peers.bursts import Asked, Compute, ask_in_bursts, bursts_of
from benchmarks.peers.contestants import Contestant
from benchmarks.peers.figures import Measured, Run, Slice, finalists, is_plain, together
from benchmarks.peers.measuring import Course, Progress, run_load
from benchmarks.peers.plan import COMPACT, LARGE, MIDDLE, Load, Mixture, Workload
from benchmarks.peers.processes import Running
from benchmarks.raw import GROUP
from benchmarks.yardstick import yardstick

# Of a lone caller, in each turn; and how many follow one another: up to two tenths of a second.
MOST, BURST = {COMPACT: 256, MIDDLE: 96, LARGE: 24}, {COMPACT: 16, MIDDLE: 8, LARGE: 1}
MANY = {COMPACT: 32, MIDDLE: 32, LARGE: 8}  # callers
# Turns in which many ask, in place of one, and each so much shorter: the machine's pace moves within seconds.
PARTS = {COMPACT: 1, MIDDLE: 2, LARGE: 2}
LATE_SECONDS = {COMPACT: 4.0, MIDDLE: 10.0}  # in which some hundreds of requests come
SHARE = 0.8  # of the best peer's capacity, at which late answers count
BARE_SEQUENCES = {COMPACT: 512, MIDDLE: 64, LARGE: 12}  # in each packing and turn: a second or two
WARMING = 4  # batches of bare ONNX Runtime before each time it is measured
IDLE_SECONDS, RESTLESS = 2.0, 0.02  # share of a core that a server may use while nobody asks it


@dataclass(frozen=True)
class Alive:
    """A contestant that has been started.

    Attributes:
        restless: it would use the core while others are asked, and is stopped meanwhile.
    """

    contestant: Contestant
    server: Running
    restless: bool

    @contextmanager
    def awake(self) -> Iterator[None]:
        """Within this it can be asked."""
        if not self.restless:
            yield
            return
        self.server.send(signal.SIGCONT)
        try:
            yield
        finally:
            self.server.send(signal.SIGSTOP)


@dataclass(frozen=True)
class Bareness:
    """Bare ONNX Runtime, as one more that is asked.

    Attributes:
        starts: where each mixture's sequences begin among the program's.
    """

    program: BareProgram
    starts: dict[str, int]

    def seconds(self, mixture: Mixture, batches: Sequence[Batch]) -> list[float]:
        """What each of these batches of a mixture's sequences took."""
        start = self.starts[mixture.name]
        return self.program.seconds([[start + index for index in batch] for batch in batches])


def in_turns(workload: Workload) -> Workload:
    """The loads that the bars of speed are about, as long as one turn."""
    loads = []
    for load in workload.loads:
        if load.share == SHARE:
            loads.append(replace(load, seconds=LATE_SECONDS[workload.name]))
        elif is_plain(load) and load.callers == 1:
            loads.append(replace(load, most=MOST[workload.name]))
        elif is_plain(load) and load.callers == MANY[workload.name]:
            loads.append(replace(load, seconds=load.seconds / PARTS[workload.name]))
    return replace(workload, loads=tuple(loads))


def measure(
    workload: Workload, contestants: Sequence[Contestant], python: Path, turns: int, progress: Progress
) -> Measured:
    """Each load in so many turns, which go forth and back; in open loops only ours and the best peer.

    Args:
        contestants: in the order in which they are asked; bare ONNX Runtime follows the last.
        python: the interpreter of bare ONNX Runtime, as of the servers.
    """
    tokens = {mixture.name: list(map(len, workload.token_rows(mixture))) for mixture in workload.mixtures()}
    found, cores = Measured(workload, tokens), frozenset({SERVER_CORE})
    expected = expected_values(workload, workload.loads[0].mixture)
    with yardstick(workload.bundle, workload.yardstick, cores, python) as stick, ExitStack() as stack:
        course = Course(found, expected, cores, stick, python, progress)
        alive = [_started(stack, course, each) for each in contestants]
        bareness = _bareness(stack, course)
        for load in workload.loads:
            progress(f"{workload.name}: {load.name}")
            if load.callers == 1:
                _alone(course, alive, bareness, load, turns)
            elif load.callers:
                _saturated(course, alive, bareness, load, turns * PARTS[workload.name])
            else:
                _late(course, alive, load, turns)
        found.paces.extend(stick.paces)
    return found


def _started(stack: ExitStack, course: Course, contestant: Contestant) -> Alive:
    workload = course.found.workload
    course.progress(f"{workload.name}: starting {contestant.who.name}")
    server = stack.enter_context(contestant.start(workload, set(course.cores)))
    check_answers(server.port, contestant.wire, items_of(workload, workload.loads[0], contestant.wire), course.expected)
    if restless := idle_share(server) > RESTLESS:
        course.progress(f"{workload.name}: {contestant.who.name} is stopped while others are asked")
        stack.callback(server.send, signal.SIGCONT)  # or it could not end
        server.send(signal.SIGSTOP)
    return Alive(contestant, server, restless)


def idle_share(server: Running, seconds: float = IDLE_SECONDS) -> float:
    """Share of a core that a server uses while nobody asks."""
    before = server.cpu_seconds()
    time.sleep(seconds)
    return (server.cpu_seconds() - before) / seconds


def _bareness(stack: ExitStack, course: Course) -> Bareness:
    texts: list[str] = []
    starts = {}
    for mixture in course.found.workload.mixtures():
        starts[mixture.name] = len(texts)
        texts += mixture.texts
    program = stack.enter_context(bare_program(course.found.workload.bundle, texts, SERVER_CORE, course.python))
    return Bareness(program, starts)


def _alone(course: Course, alive: Sequence[Alive], bareness: Bareness, load: Load, turns: int) -> None:
    """The same sequences in each turn, a burst by everybody before the next one by anybody."""
    workload = course.found.workload
    asked = [
        Asked(
            each.server.port,
            requests_of(each.contestant.wire, items_of(workload, load, each.contestant.wire), 1),
            each.awake,
        )
        for each in alive
    ]
    for turn in range(turns):
        _lone_turn(course, alive, asked, partial(_each_alone, bareness, load.mixture), load, turn)


def _each_alone(bareness: Bareness, mixture: Mixture, burst: Sequence[int]) -> list[float]:
    return bareness.seconds(mixture, [[index] for index in burst])


def _lone_turn(
    course: Course, alive: Sequence[Alive], asked: Sequence[Asked], compute: Compute, load: Load, turn: int
) -> None:
    count = min(load.most or len(load.mixture.texts), len(load.mixture.texts))
    before = course.yardstick.pace()
    spent = [each.server.cpu_seconds() for each in alive]
    began, busy = time.perf_counter(), time.process_time()
    tallies, bare = ask_in_bursts(asked, compute, bursts_of(count, BURST[course.found.workload.name]), turn)
    busy = (time.process_time() - busy) / (time.perf_counter() - began)
    spent = [each.server.cpu_seconds() - earlier for each, earlier in zip(alive, spent, strict=True)]
    pace = (before + course.yardstick.pace()) / 2
    for each, tally, cpu_seconds in zip(alive, tallies, spent, strict=True):
        run = _lone_run(course, load, tally, cpu_seconds, each.server.resident_bytes(), busy, pace)
        course.found.runs.setdefault((each.contestant.who, load.name), []).append(run)
    alone_ms = tuple(1000 * seconds * pace for seconds in bare)
    course.found.bare.setdefault(load.name, []).append(Bare(1000 * len(bare) / sum(alone_ms), alone_ms))


def _lone_run(
    course: Course, load: Load, tally: Tally, cpu_seconds: float, resident_bytes: int, busy: float, pace: float
) -> Run:
    slice_ = Slice(
        requests=tuple(tally.answered),
        sequences=len(tally.answered),
        tokens=sum(course.found.tokens_of(load, request) for request in tally.answered),
        seconds=sum(tally.latencies) * pace,
        latencies_ms=tuple(1000 * latency * pace for latency in tally.latencies),
        errors=tally.errors,
        cpu_seconds=cpu_seconds * pace,
        resident_bytes=resident_bytes,
        generator_busy=busy,
    )
    return together([slice_])


def _saturated(course: Course, alive: Sequence[Alive], bareness: Bareness, load: Load, turns: int) -> None:
    """Bare ONNX Runtime computes a part of the mixture in each turn, in both packings; the better one counts."""
    packings = packed(course.found.tokens[load.mixture.name])
    stride = max(1, len(packings[0]) // BARE_SEQUENCES[course.found.workload.name])
    rates: list[list[float]] = [[] for _ in packings]
    for packing in packings:  # a server has met every length before its second turn
        bareness.seconds(load.mixture, packing)
    for turn in range(turns):
        parts = [packing[turn % stride :: stride] for packing in packings]
        asking: list[Callable[[], None]] = [partial(_ask, course, each, load) for each in alive]
        asking.append(partial(_compute, course, bareness, load.mixture, parts, rates))
        for ask in asking if turn % 2 == 0 else asking[::-1]:
            ask()
    better = max(rates, key=statistics.median)
    mean = statistics.mean(course.found.tokens[load.mixture.name])
    course.found.bare[load.mixture.name] = [Bare(rate / mean, ()) for rate in better]


def packed(tokens: Sequence[int]) -> tuple[list[list[int]], list[list[int]]]:
    """Sequences one by one, and in groups of equal length; the shortest first, so that parts of either are alike.

    Args:
        tokens: of each sequence.
    """
    by_length: dict[int, list[int]] = defaultdict(list)
    for index in sorted(range(len(tokens)), key=tokens.__getitem__):
        by_length[tokens[index]].append(index)
    groups = list(by_length.values())
    singles = [[index] for group in groups for index in group]
    return singles, [group[start : start + GROUP] for group in groups for start in range(0, len(group), GROUP)]


def _compute(
    course: Course, bareness: Bareness, mixture: Mixture, parts: Sequence[Sequence[Batch]], rates: Sequence[list[float]]
) -> None:
    """Add the tokens a second of each packing's part."""
    tokens, before = course.found.tokens[mixture.name], course.yardstick.pace()
    for batches, found in zip(parts, rates, strict=True):
        bareness.seconds(mixture, batches[:WARMING])
        seconds = sum(bareness.seconds(mixture, batches))
        after = course.yardstick.pace()
        found.append(sum(tokens[index] for batch in batches for index in batch) / (seconds * (before + after) / 2))
        before = after


def _late(course: Course, alive: Sequence[Alive], load: Load, turns: int) -> None:
    final = finalists(course.found, peers=1)
    last = [each for each in alive if each.contestant.who in final]
    for turn in range(turns):
        for each in last if turn % 2 == 0 else last[::-1]:
            _ask(course, each, load)


def _ask(course: Course, each: Alive, load: Load) -> None:
    with each.awake():
        run = run_load(course, each.server, each.contestant, load)
    course.found.runs.setdefault((each.contestant.who, load.name), []).append(run)
