"""How far a run over shards is, told now and then."""

from __future__ import annotations

from pathlib import Path

from app.commands.shard_progress import Lines
from app.shards.folder import WorkFolder
from app.shards.plan import Shard
from app.shards.run import Run
from tests.shards.test_plan import PLAN

SHARDS = tuple(Shard(part, 1 + 100 * part, 100, part, part + 1) for part in range(10))


def told(done: int, seconds: list[float]) -> list[str]:
    """The lines of a run of which so many shards were done, and others came at these times."""
    plan = PLAN.model_copy(update={"shards": SHARDS})
    lines: list[str] = []
    ticks = iter(seconds)
    run = Run(plan, WorkFolder(Path(), ".tsv"), SHARDS[:done], SHARDS[done:])
    shown = Lines(lines.append, run, "people", lambda: next(ticks))
    for shard, _ in zip(SHARDS[done:], seconds, strict=False):
        shown.show(shard)
    return lines


def test_a_line_every_ten_seconds_says_what_is_left() -> None:
    assert told(0, [100, 105, 110, 115, 120]) == [
        "3 of 10 shards, 300 of 1,000 people, 20/s, 0:00:35 left",
        "5 of 10 shards, 500 of 1,000 people, 20/s, 0:00:25 left",
    ]


def test_what_was_there_before_does_not_count_for_the_speed() -> None:
    assert told(6, [100, 110]) == [
        "going on: 6 of 10 shards are there",
        "8 of 10 shards, 800 of 1,000 people, 10/s, 0:00:20 left",
    ]
