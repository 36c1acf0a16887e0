"""Batches are made ahead of time, in one order, and each process makes its own share."""

import threading
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from training.batches import STEPS_AHEAD, Maker, Part, ahead
from training.pipeline import Pipeline


def test_items_come_in_their_order_from_one_other_thread() -> None:
    threads = set()

    def items() -> Iterator[int]:
        for number in range(20):
            threads.add(threading.current_thread().name)
            yield number

    assert list(ahead(items(), 3)) == list(range(20))
    assert len(threads) == 1
    assert threading.current_thread().name not in threads


def test_only_so_many_items_are_made_ahead() -> None:
    made = []

    def items() -> Iterator[int]:
        for number in range(20):
            made.append(number)
            yield number

    stream = ahead(items(), 3)
    next(stream)
    stream.close()  # the thread has ended

    assert len(made) <= 4


def test_what_goes_wrong_in_the_thread_is_raised_where_the_item_is_asked_for() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("no more")

    stream = ahead(items(), STEPS_AHEAD)

    assert next(stream) == 1
    with pytest.raises(ValueError, match="no more"):
        next(stream)


@pytest.fixture
def maker(trained: Pipeline) -> Maker:
    return Maker(trained.examples("train"), trained.feeder, trained.config.fit)


def parts_of(maker: Maker) -> list[Part]:
    rows = np.arange(12)
    return [part for step in maker.steps([rows], np.random.default_rng(3)) for part in step]


def test_a_step_is_one_part_unless_it_is_accumulated(maker: Maker) -> None:
    (whole,) = parts_of(maker)
    accumulated = parts_of(replace(maker, config=replace(maker.config, accumulate=5)))

    assert whole.share == 1.0
    assert [len(part.values) for part in accumulated] == [3, 3, 2, 2, 2]
    assert [part.share for part in accumulated] == [3 / 12, 3 / 12, 2 / 12, 2 / 12, 2 / 12]
    assert torch.equal(torch.cat([part.values for part in accumulated]), whole.values)


def test_processes_share_the_rows_of_a_step(maker: Maker) -> None:
    halved = replace(maker, config=replace(maker.config, accumulate=2), processes=3)
    shares = [parts_of(replace(halved, rank=rank)) for rank in range(3)]

    assert torch.equal(
        torch.cat([part.values for parts in shares for part in parts]), torch.cat([p.values for p in parts_of(maker)])
    )
    assert sum(part.share for part in shares[1]) == pytest.approx(1.0)  # a mean over processes follows
