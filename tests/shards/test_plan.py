"""Shards cover the records once and in order, and a plan tells in what another differs."""

from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.shards.plan import Cutter, Input, Model, Options, Plan, Shard


def cut(sizes: list[int], start: int = 0, shard_records: int = 3, shard_bytes: int = 100) -> list[Shard]:
    cutter = Cutter(start, shard_records, shard_bytes)
    shards = [shard for end in accumulate(sizes, initial=start) if end > start for shard in cutter.add(end)]
    return shards + list(cutter.rest())


def test_a_shard_ends_with_its_last_record() -> None:
    assert cut([10, 20, 30, 40], start=5) == [Shard(0, 1, 3, 5, 65), Shard(1, 4, 1, 65, 105)]


def test_a_shard_of_many_bytes_ends_early() -> None:
    assert [shard.records for shard in cut([50, 50, 10, 200, 10])] == [2, 2, 1]


@given(st.lists(st.integers(1, 60)), st.integers(0, 9), st.integers(1, 5), st.integers(1, 200))
def test_shards_cover_everything_once_and_in_order(sizes: list[int], start: int, most: int, most_bytes: int) -> None:
    shards = cut(sizes, start, most, most_bytes)
    assert [shard.part for shard in shards] == list(range(len(shards)))
    assert [shard.start for shard in shards] == [start, *(shard.end for shard in shards)][: len(shards)]
    assert [shard.first_number for shard in shards] == list(accumulate((it.records for it in shards), initial=1))[:-1]
    assert sum(shard.records for shard in shards) == len(sizes)
    assert all(1 <= shard.records <= most for shard in shards)
    assert not shards or shards[-1].end == start + sum(sizes)


PLAN = Plan(
    input=Input(size_bytes=9, sha256="in", text_bytes=9, head=(0, 0)),
    model=Model(name="gc@1.0.0", sha256="model"),
    options=Options(basecast="1", device="auto", ending=".tsv", shard_records=2),
    shards=(Shard(0, 1, 2, 0, 6), Shard(1, 3, 1, 6, 9)),
)


def test_a_plan_survives_its_file() -> None:
    assert Plan.model_validate_json(PLAN.model_dump_json()) == PLAN
    assert PLAN.records == 3


@pytest.mark.parametrize(
    ("part", "change", "told"),
    [
        ("input", {"sha256": "other"}, ["another input"]),
        ("model", {"sha256": "other"}, ["another model"]),
        ("options", {"device": "cpu"}, ["other options"]),
    ],
)
def test_plans_differ_by_their_parts(part: str, change: dict[str, str], told: list[str]) -> None:
    other = PLAN.model_copy(update={part: getattr(PLAN, part).model_copy(update=change)})
    assert PLAN.differences(PLAN) == []
    assert PLAN.differences(other) == told


def test_shards_that_follow_from_another_option_are_no_other_input() -> None:
    options = PLAN.options.model_copy(update={"shard_records": 3})
    other = PLAN.model_copy(update={"options": options, "shards": (Shard(0, 1, 3, 0, 9),)})
    assert PLAN.differences(other) == ["other options"]
