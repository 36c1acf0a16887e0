"""What is written into a ledger is counted once: when somebody asks, or when there is much of it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from prometheus_client import Counter, generate_latest

from app.ledger import MOST_ENTRIES, Ledger, LedgerRegistry


def test_entries_are_counted_in_order_when_the_ledger_is_closed() -> None:
    counted: list[int] = []
    ledger: Ledger[int] = Ledger(counted.extend)
    ledger.write(1)
    ledger.write(2)
    assert counted == []
    ledger.close()
    ledger.close()
    assert counted == [1, 2]


def test_many_entries_are_counted_without_being_asked_for() -> None:
    groups: list[int] = []
    ledger: Ledger[int] = Ledger(lambda entries: groups.append(len(entries)))
    for number in range(2 * MOST_ENTRIES + 1):
        ledger.write(number)
    assert groups == [MOST_ENTRIES, MOST_ENTRIES]


def test_each_entry_of_several_threads_is_counted_once() -> None:
    counted: list[int] = []
    ledger: Ledger[int] = Ledger(counted.extend)
    together = threading.Barrier(4)

    def write(begin: int) -> None:
        together.wait(10)
        for number in range(begin, begin + 2_000):
            ledger.write(number)
            ledger.close()

    with ThreadPoolExecutor(4) as writers, _switching_often():
        list(writers.map(write, range(0, 8_000, 2_000)))
    assert sorted(counted) == list(range(8_000))


@contextmanager
def _switching_often() -> Iterator[None]:
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


def _registry() -> tuple[LedgerRegistry, Ledger[int]]:
    registry = LedgerRegistry()
    counter = Counter("things", "Things.", registry=registry)

    def count(entries: Sequence[int]) -> None:
        counter.inc(sum(entries))

    return registry, registry.keep(count)


def test_whoever_reads_the_registry_sees_what_was_written() -> None:
    registry, ledger = _registry()
    ledger.write(2)
    assert registry.get_sample_value("things_total") == 2
    ledger.write(3)
    assert b"things_total 5.0" in generate_latest(registry)


def test_whoever_reads_some_metrics_only_sees_it_too() -> None:
    registry, ledger = _registry()
    ledger.write(2)
    assert b"things_total 2.0" in generate_latest(registry.restricted_registry(["things_total"]))
