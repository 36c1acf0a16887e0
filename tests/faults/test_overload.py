"""Ten times what a worker can do: whoever is let in is answered in time, whoever is not is told so at once.

The bars are measured on a quiet machine, by `make bench-redis`; here they are what a starved one still keeps.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path

from tests.callers import Tally, calling
from tests.faults.place import Place, place, until, world
from tests.redis_server import RedisServer

ROW_SECONDS = 0.05
DEADLINE_MS = 3000


def test_of_ten_times_too_much_most_is_refused_at_once_and_the_rest_is_in_time(
    gc_models: Path, redis: RedisServer
) -> None:
    with world(TOY_ROW_SECONDS=ROW_SECONDS), place(gc_models, redis, namespace="overload") as it:
        full, peak = _answers_a_second(it, callers=8)
        over, goodput = _answers_a_second(it, callers=80)
    for tally in (full, over):
        assert (tally.lost, tally.failed, tally.wrong, tally.doubled) == (0, 0, 0, 0)
    assert full.shed == 0
    assert over.shed > over.answered
    assert over.expired <= over.answered / 10
    assert statistics.median(over.refusal_ms) < 500
    assert goodput >= peak / 2


def _answers_a_second(it: Place, callers: int) -> tuple[Tally, float]:
    began = time.monotonic()
    with calling([it.api.port], callers=callers, deadline_ms=DEADLINE_MS, pause_seconds=0.25) as tally:
        until(lambda: tally.answered >= 60, 60)
    return tally, tally.answered / (time.monotonic() - began)
