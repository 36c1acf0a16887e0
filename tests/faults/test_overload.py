"""Ten times what a worker can do: whoever is let in is answered, whoever is not is told so before long.

How long refusals take and what share of its peak the service keeps is measured on a quiet machine, by
`make bench-redis`; here it is enough that load sheds and that the service does not choke on it.
"""

from __future__ import annotations

from pathlib import Path

from tests.callers import calling
from tests.faults.place import place, until, world
from tests.redis_server import RedisServer

ROW_SECONDS = 0.02
DEADLINE_MS = 3000


def test_of_ten_times_too_much_most_is_shed_and_the_rest_is_answered(gc_models: Path, redis: RedisServer) -> None:
    with (
        world(TOY_ROW_SECONDS=ROW_SECONDS),
        place(gc_models, redis, namespace="overload", max_queue_tokens=400) as it,
        calling([it.api.port], callers=60, deadline_ms=DEADLINE_MS, pause_seconds=0.1) as tally,
    ):
        until(lambda: tally.sent >= 400, 60)
    assert (tally.lost, tally.failed, tally.wrong, tally.doubled) == (0, 0, 0, 0)
    assert tally.shed > 0
    assert tally.answered > 0
    assert tally.expired <= tally.answered / 2
