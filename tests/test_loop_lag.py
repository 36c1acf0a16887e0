"""A stall of the event loop is remembered until the next scrape has seen it."""

from __future__ import annotations

import asyncio
import time

from prometheus_client import Gauge

from app.loop_lag import KEPT, PERIOD_SECONDS, measured_lag


async def test_the_worst_lag_is_kept_though_the_loop_has_long_recovered() -> None:
    gauge = Gauge("lag", "of a loop", registry=None)
    async with measured_lag(gauge):
        await asyncio.sleep(PERIOD_SECONDS / 10)
        time.sleep(2 * PERIOD_SECONDS)  # noqa: ASYNC251 - what must not happen
        await asyncio.sleep(2 * PERIOD_SECONDS)
    assert gauge._value.get() > 0.8 * PERIOD_SECONDS


def test_what_is_kept_spans_the_usual_time_between_two_scrapes() -> None:
    assert KEPT * PERIOD_SECONDS >= 15
