"""Is the service well: traffic, errors, latency, saturation."""

from __future__ import annotations

from deploy.grafana.generate.panels import (
    BYTES,
    CORES,
    COUNT,
    NEVER,
    REQUESTS,
    SECONDS,
    SHARE,
    Dashboard,
    Panel,
    Query,
    Row,
    at_least,
    at_most,
)
from deploy.grafana.generate.promql import PREDICTIONS, WINDOW, buckets, mean, quantile, rate, share

REQUESTS_TOTAL = f"basecast_requests_total{{{PREDICTIONS}}}"
NO_PROBE = 'route!~"/livez|/readyz|/metrics|/v2/.*/(live|ready)"'
FAILED_TOTAL = f'basecast_requests_total{{{PREDICTIONS}, code=~"5.."}}'
OURS = 'job=~"basecast-(api|worker)"'
ALL_OURS = 'job=~"basecast-.*"'

GLANCE = Row(
    "At a glance",
    [
        Panel(
            "Predictions",
            "Requests for predictions a second, whatever their answer. Probes and scrapes are not counted.",
            [Query(rate(REQUESTS_TOTAL))],
            "stat",
            REQUESTS,
            width=4,
            height=5,
        ),
        Panel(
            "Failed",
            "Share of predictions answered 5xx: shed, expired or broken. The objective is 0.1 % over 30 days.",
            [Query(share(rate(FAILED_TOTAL), rate(REQUESTS_TOTAL)))],
            "stat",
            SHARE,
            at_most(0.001, 0.01),
            width=4,
            height=5,
            missing="no traffic",
        ),
        Panel(
            "p99",
            "99 % of requests to /predict take at most this long. The objective is one second.",
            [Query(quantile(0.99, "basecast_request_seconds", 'route="/predict"'))],
            "stat",
            SECONDS,
            at_most(0.5, 1),
            width=4,
            height=5,
            missing="no traffic",
        ),
        Panel(
            "API processes ready",
            "Share of API processes that take requests: models verified, a worker for each, not draining.",
            [Query("avg(basecast_ready)")],
            "stat",
            SHARE,
            at_least(1),
            width=4,
            height=5,
            missing="no API process",
        ),
        Panel(
            "Alerts that fire",
            "BasecastWatchdog always does, to show that alerts work. Each has a page in docs/runbooks.",
            [Query('ALERTS{alertstate="firing"}')],
            "table",
            width=8,
            height=5,
            hidden=("__name__", "alertstate", "job"),
        ),
    ],
)

TRAFFIC = Row(
    "Traffic and errors",
    [
        Panel(
            "Requests by route",
            "All requests a second, probes and scrapes too.",
            [Query(rate("basecast_requests_total", "route"), "{{route}}")],
            unit=REQUESTS,
            stacked=True,
        ),
        Panel(
            "Errors by code",
            "4xx is the caller's doing, 499 that he left; 5xx ours: 500 broken, 503 shed or no queue, 504 too late. "
            "Probes are not counted.",
            [Query(rate(f'basecast_requests_total{{{NO_PROBE}, code=~"[45].."}}', "code"), "{{code}}")],
            unit=REQUESTS,
            stacked=True,
        ),
        Panel(
            "Turned away",
            "Requests shed with 503, by what was short: room in flight or in the queue, time; or the process drains.",
            [Query(rate("basecast_shed_total", "reason"), "{{reason}}")],
            unit=REQUESTS,
            levels=NEVER,
            stacked=True,
        ),
        Panel(
            "Budget of failures",
            "How many times too fast the budget of 0.1 % is used up. Above 14.4 over 1 h or 6 over 6 h pages.",
            [
                Query("basecast:failed_requests:ratio_rate1h / 0.001", "1 h"),
                Query("basecast:failed_requests:ratio_rate6h / 0.001", "6 h"),
                Query("basecast:failed_requests:ratio_rate3d / 0.001", "3 d"),
            ],
            levels=at_most(6, 14.4),
        ),
        Panel(
            "Budget of slow requests",
            "The same for the 1 % of requests for sequences that may take more than a second.",
            [
                Query("basecast:slow_requests:ratio_rate1h / 0.01", "1 h"),
                Query("basecast:slow_requests:ratio_rate6h / 0.01", "6 h"),
                Query("basecast:slow_requests:ratio_rate3d / 0.01", "3 d"),
            ],
            levels=at_most(6, 14.4),
        ),
        Panel(
            "Versions",
            "Processes by the version that they run; two lines of a job mean that an upgrade is on its way.",
            [Query("count by (job, version) (basecast_build_info)", "{{job}} {{version}}")],
        ),
    ],
)

LATENCY = Row(
    "Latency",
    [
        Panel(
            "Request to reply",
            "Quantiles of requests to /predict; half a second is worth a look.",
            [
                Query(quantile(q, "basecast_request_seconds", 'route="/predict"'), name)
                for q, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))
            ],
            unit=SECONDS,
            levels=at_most(0.5, 1),
        ),
        Panel(
            "All requests by time",
            "How many requests for predictions took how long; two bands are two kinds of requests.",
            [Query(buckets("basecast_request_seconds", PREDICTIONS))],
            "heatmap",
            SECONDS,
        ),
        Panel(
            "Where the time goes",
            "Mean time of a prediction in each phase; `queue` grows when workers are short.",
            [Query(mean("basecast_phase_seconds", 'phase!="total"', "phase"), "{{phase}}")],
            unit=SECONDS,
            stacked=True,
        ),
    ],
)

PROCESSES = Row(
    "Processes",
    [
        Panel(
            "Event-loop lag",
            "How long the event loop stood still at worst in 15 s. From 0.05 s on an API process is short of CPU.",
            [Query("basecast_event_loop_lag_seconds", "{{instance}}")],
            unit=SECONDS,
            levels=at_most(0.05, 0.5),
            width=6,
        ),
        Panel(
            "CPU",
            "Cores that each process keeps busy.",
            [Query(f"rate(process_cpu_seconds_total{{{OURS}}}[{WINDOW}])", "{{instance}}")],
            unit=CORES,
            width=6,
        ),
        Panel(
            "Memory",
            "Resident memory of each process. It settles within the first minutes; one that keeps growing leaks.",
            [Query(f"process_resident_memory_bytes{{{OURS}}}", "{{instance}}")],
            unit=BYTES,
            width=6,
        ),
        Panel(
            "Open files",
            "Share of the files and connections that each process may have open.",
            [Query(f"process_open_fds{{{OURS}}} / process_max_fds", "{{instance}}")],
            unit=SHARE,
            levels=at_most(0.5, 0.8),
            width=6,
        ),
        Panel(
            "Answer to Prometheus",
            "1 while a process shows its metrics.",
            [Query(f"up{{{ALL_OURS}}}", "{{job}} {{instance}}")],
            unit=COUNT,
            levels=at_least(1),
            width=12,
        ),
        Panel(
            "Restarts",
            "How often each process was started again within half an hour; more than twice is an alert.",
            [Query(f"changes(process_start_time_seconds{{{ALL_OURS}}}[30m])", "{{job}} {{instance}}")],
            levels=at_most(1, 3),
            width=12,
        ),
    ],
)

SERVICE = Dashboard(
    "basecast-service",
    "Basecast: service",
    "Whether callers get their predictions, and in time.",
    [GLANCE, TRAFFIC, LATENCY, PROCESSES],
)
