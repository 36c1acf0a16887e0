"""For each alert what makes it fire, and what looks alike and must not: series, a value a step.

The notation is promtool's: `0+2x60` counts up by 2 a step for 60 steps, `1x5` stays at 1 for five. A step is a minute,
unless the case is about hours.
"""

from __future__ import annotations

from dataclasses import dataclass, field

Series = dict[str, str]


@dataclass(frozen=True)
class Case:
    """Series, and whether an alert fires over them.

    Attributes:
        fires: how many alerts of the name are expected; 0 if it has to stay silent.
        at_step: when it is looked at.
        window: of an alert on the budget, which there is for several.
    """

    alert: str
    fires: int
    at_step: int
    series: Series = field(compare=False)
    window: str = ""

    @property
    def step_minutes(self) -> int:
        return STEPS_MINUTES.get(self.window or self.alert, 1)


def _answered(good: str, failed: str) -> Series:
    series = 'basecast_requests_total{{job="basecast-api", route="/predict", code="{}"}}'
    return {series.format(200): good, series.format(503): failed}


def _timed(all_requests: str, within_a_second: str, le: str = "1") -> Series:
    name = 'basecast_request_seconds_{}{{job="basecast-api", route="/predict"{}}}'
    return {name.format("count", ""): all_requests, name.format("bucket", f', le="{le}"'): within_a_second}


def _one(name: str, values: str, **labels: str) -> Series:
    text = ", ".join(f'{label}="{value}"' for label, value in labels.items())
    return {f"{name}{{{text}}}": values}


STEPS_MINUTES = {"1h": 2, "6h": 5, "3d": 60, "BasecastPredictionDrift": 5}
ERRORS, LATENCY = "BasecastErrorBudgetBurn", "BasecastLatencyBudgetBurn"
FAST, SLOW, LASTING = "1h", "6h", "3d"
API = {"job": "basecast-api", "instance": "api:9100"}
WORKER = {"job": "basecast-worker", "instance": "worker:9100"}
REDIS = {"job": "basecast-redis", "instance": "redis-exporter:9121"}
GC = WORKER | {"model": "gc"}
DRIFTED = {"model": "gc", "target": "gc_fraction", "job": "basecast-api"}


def _predictions(mean: float, a_step: int = 50) -> Series:
    return {
        **_one("basecast_prediction_value_sum", f"0+{mean * a_step:g}x96", **DRIFTED),
        **_one("basecast_prediction_value_count", f"0+{a_step}x96", **DRIFTED),
        **_one("basecast_target_mean", "0.5x96", **DRIFTED),
        **_one("basecast_target_standard_deviation", "0.1x96", **DRIFTED),
    }


CASES = [
    # 2 % is more than 14.4 times the 0.1 % of the objective, 1 % is more than 6 times, 0.2 % more than once.
    Case(ERRORS, 1, 30, _answered("0+98x30", "0+2x30"), FAST),
    Case(ERRORS, 0, 30, _answered("0+99x30", "0+1x30"), FAST),
    Case(ERRORS, 1, 72, _answered("0+99x72", "0+1x72"), SLOW),
    Case(ERRORS, 0, 72, _answered("0+998x72", "0+2x72"), SLOW),
    Case(ERRORS, 1, 72, _answered("0+998x72", "0+2x72"), LASTING),
    Case(ERRORS, 0, 72, _answered("0+9995x72", "0+5x72"), LASTING),
    # It was bad, and has been well for ten minutes.
    Case(ERRORS, 0, 30, _answered("0+98x30", "0+4x24 96x6"), FAST),
    # Half of all requests fail, but these are eight.
    Case(ERRORS, 0, 30, _answered("0x15 1+1x7 8x15", "0x15 1+1x7 8x15"), FAST),
    # 429 and 422 are the callers' doing.
    Case(ERRORS, 0, 30, _one("basecast_requests_total", "0+9x30", route="/predict", code="429"), FAST),
    # Probes are no predictions.
    Case(ERRORS, 0, 30, _one("basecast_requests_total", "0+9x30", route="/readyz", code="503"), FAST),
    # 20 % is more than 14.4 times 1 %, 10 % more than 6 times, 2 % more than once.
    Case(LATENCY, 1, 30, _timed("0+100x30", "0+80x30"), FAST),
    Case(LATENCY, 1, 30, _timed("0+100x30", "0+80x30", le="1.0"), FAST),  # as Prometheus 3 has it
    Case(LATENCY, 0, 30, _timed("0+100x30", "0+90x30"), FAST),
    Case(LATENCY, 1, 72, _timed("0+100x72", "0+90x72"), SLOW),
    Case(LATENCY, 0, 72, _timed("0+100x72", "0+95x72"), SLOW),
    Case(LATENCY, 1, 72, _timed("0+100x72", "0+98x72"), LASTING),
    Case(LATENCY, 0, 72, _timed("0+1000x72", "0+995x72"), LASTING),
    Case(LATENCY, 0, 30, _timed("0x30", "0x30"), FAST),
    Case("BasecastApiGone", 1, 2, {}),
    Case("BasecastApiGone", 1, 2, _one("up", "0x2", **API)),
    Case("BasecastApiGone", 0, 2, _one("up", "1x2", **API)),
    Case("BasecastTargetDown", 1, 3, _one("up", "1 0x3", **WORKER)),
    Case("BasecastTargetDown", 0, 3, _one("up", "0 1x3", **WORKER)),
    Case("BasecastTargetDown", 0, 3, _one("up", "0x3", job="node")),
    Case("BasecastRestarts", 1, 10, _one("process_start_time_seconds", "1 1 2 2 3 3 4 4 4 4 4", **WORKER)),
    Case("BasecastRestarts", 0, 10, _one("process_start_time_seconds", "1 1 1 1 2 2 2 2 3 3 3", **WORKER)),
    Case("BasecastEventLoopLags", 1, 5, _one("basecast_event_loop_lag_seconds", "0.6x5", **API)),
    Case("BasecastEventLoopLags", 0, 5, _one("basecast_event_loop_lag_seconds", "0.6 0.4 0.6 0.4 0.6 0.4", **API)),
    Case("BasecastSheds", 1, 20, _one("basecast_shed_total", "0+1x20", **API, reason="queue_full")),
    Case("BasecastSheds", 0, 20, _one("basecast_shed_total", "0 9x20", **API, reason="queue_full")),
    Case("BasecastSheds", 0, 20, _one("basecast_shed_total", "0+1x20", **API, reason="draining")),
    Case("BasecastNoReadyWorker", 1, 2, _one("basecast_workers_ready", "0x2", **API, model="gc")),
    Case("BasecastNoReadyWorker", 0, 2, _one("basecast_workers_ready", "0 1x2", **API, model="gc")),
    # A worker that is about to go says 0 of itself; the API sees others.
    Case("BasecastNoReadyWorker", 0, 2, _one("basecast_workers_ready", "0x2", **GC)),
    Case("BasecastOldestJobWaits", 1, 3, _one("basecast_queue_oldest_seconds", "6x3", **API, model="gc")),
    Case("BasecastOldestJobWaits", 0, 3, _one("basecast_queue_oldest_seconds", "6 6 4 6", **API, model="gc")),
    Case("BasecastJobsExpire", 1, 20, _one("basecast_expired_total", "0+1x20", **API, model="gc")),
    Case("BasecastJobsExpire", 0, 20, _one("basecast_expired_total", "0 5x20", **API, model="gc")),
    Case("BasecastDeadLetters", 1, 5, _one("basecast_dead_total", "0 0 1x3", **GC)),
    Case("BasecastDeadLetters", 0, 5, _one("basecast_dead_total", "7x5", **GC)),
    Case("BasecastWorkReclaimed", 1, 5, _one("basecast_reclaimed_total", "0 0 3x3", **GC)),
    Case("BasecastWorkReclaimed", 0, 5, _one("basecast_reclaimed_total", "7x5", **GC)),
    Case("BasecastCpuFallback", 1, 6, _one("basecast_cpu_fallback", "1x6", **GC)),
    Case("BasecastCpuFallback", 0, 6, _one("basecast_cpu_fallback", "0x6", **GC)),
    Case("BasecastOutOfMemory", 1, 30, _one("basecast_out_of_memory_total", "0 0 2x28", **GC)),
    Case("BasecastOutOfMemory", 0, 60, _one("basecast_out_of_memory_total", "5 5x60", **GC)),
    Case("BasecastRedisDown", 1, 2, _one("basecast_redis_up", "0x2", **API)),
    Case("BasecastRedisDown", 1, 2, _one("redis_up", "0x2", **REDIS)),
    Case("BasecastRedisDown", 0, 2, _one("basecast_redis_up", "0 1x2", **API)),
    Case("BasecastRedisMemory", 1, 6,
         _one("redis_memory_used_bytes", "81x6", **REDIS) | _one("redis_memory_max_bytes", "100x6", **REDIS)),
    Case("BasecastRedisMemory", 0, 6,
         _one("redis_memory_used_bytes", "79x6", **REDIS) | _one("redis_memory_max_bytes", "100x6", **REDIS)),
    Case("BasecastRedisMemory", 0, 6,
         _one("redis_memory_used_bytes", "81x6", **REDIS) | _one("redis_memory_max_bytes", "0x6", **REDIS)),
    Case("BasecastRedisEvicts", 1, 5, _one("redis_evicted_keys_total", "0 0 1x3", **REDIS)),
    Case("BasecastRedisEvicts", 0, 5, _one("redis_evicted_keys_total", "4x5", **REDIS)),
    Case("BasecastRedisRefuses", 1, 5, _one("basecast_redis_errors_total", "0 0 1x3", **API, reason="full")),
    Case("BasecastRedisRefuses", 0, 5, _one("basecast_redis_errors_total", "0+1x5", **API, reason="timeout")),
    # 0.65 is one and a half deviations above 0.5.
    Case("BasecastPredictionDrift", 1, 96, _predictions(0.65)),
    Case("BasecastPredictionDrift", 0, 96, _predictions(0.55)),
    Case("BasecastPredictionDrift", 0, 96, _predictions(0.65, a_step=10)),
    Case("BasecastWatchdog", 1, 1, {}),
]  # fmt: skip
