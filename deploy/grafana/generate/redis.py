"""Is the Redis between API and workers well, seen from itself and from us."""

from __future__ import annotations

from deploy.grafana.generate.panels import (
    BYTES,
    NEVER,
    PER_SECOND,
    SECONDS,
    SHARE,
    Dashboard,
    Panel,
    Query,
    Row,
    at_least,
    at_most,
)
from deploy.grafana.generate.promql import WINDOW, rate

SEEN = Row(
    "Seen from Basecast",
    [
        Panel(
            "Reached",
            "1 for each process that Redis answers. 0 for a minute pages; callers get 503 queue_unavailable meanwhile.",
            [Query("basecast_redis_up", "{{job}} {{instance}}")],
            levels=at_least(1),
        ),
        Panel(
            "Errors",
            "What went wrong, by reason: `full`, `read_only` and `authentication` want somebody, the others heal.",
            [Query(rate("basecast_redis_errors_total", "reason"), "{{reason}}")],
            unit=PER_SECOND,
            levels=NEVER,
            stacked=True,
        ),
        Panel(
            "Connections",
            "Clients, and those of them that wait for something to come, as a worker without work does.",
            [
                Query("redis_connected_clients", "connected"),
                Query("redis_blocked_clients", "waiting"),
            ],
        ),
    ],
)

ITSELF = Row(
    "Redis itself",
    [
        Panel(
            "Memory used",
            "Share of `maxmemory`. When it is full new requests get 503 overloaded; those that wait are answered.",
            [Query("redis_memory_used_bytes / (redis_memory_max_bytes > 0)", "{{instance}}")],
            "stat",
            SHARE,
            at_most(0.6, 0.8),
            width=4,
            missing="no limit",
        ),
        Panel(
            "Exporter",
            "1 while the exporter reaches Redis.",
            [Query("redis_up", "{{instance}}")],
            "stat",
            levels=at_least(1),
            width=4,
        ),
        Panel(
            "Memory",
            "In use, and the limit.",
            [
                Query("redis_memory_used_bytes", "used"),
                Query("redis_memory_max_bytes > 0", "limit"),
            ],
            unit=BYTES,
        ),
        Panel(
            "Keys thrown away",
            "Evicted for lack of memory: must be none, for queued requests would be among them.",
            [Query(f"increase(redis_evicted_keys_total[{WINDOW}])", "{{instance}}")],
            levels=NEVER,
        ),
        Panel(
            "Commands",
            "Commands a second. Requests that come together share them, and so does each batch.",
            [Query(f"rate(redis_commands_processed_total[{WINDOW}])", "{{instance}}")],
            unit=PER_SECOND,
        ),
        Panel(
            "Time in commands",
            "Share of its one core that Redis spends in each command, from a thousandth on; `info` is the exporter's.",
            [
                Query(
                    rate("redis_commands_duration_seconds_total", "cmd") + " > 0.001",
                    "{{cmd}}",
                )
            ],
            unit=SHARE,
            stacked=True,
            levels=at_most(0.5, 0.8),
        ),
        Panel(
            "Network",
            "Bytes a second, in and out.",
            [
                Query(f"rate(redis_net_input_bytes_total[{WINDOW}])", "in"),
                Query(f"rate(redis_net_output_bytes_total[{WINDOW}])", "out"),
            ],
            unit="Bps",
        ),
        Panel(
            "Age",
            "How long Redis has been running; a restart costs the requests in flight a second try.",
            [Query("redis_uptime_in_seconds", "{{instance}}")],
            "stat",
            SECONDS,
        ),
    ],
)

REDIS = Dashboard(
    "basecast-redis",
    "Basecast: Redis",
    "The transport between API and workers. Nothing in it has to survive.",
    [SEEN, ITSELF],
)
