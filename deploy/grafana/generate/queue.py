"""Do the workers keep up: what waits, how it is batched, what the devices do."""

from __future__ import annotations

from deploy.grafana.generate.panels import (
    BYTES,
    COUNT,
    NEVER,
    PER_SECOND,
    SECONDS,
    SHARE,
    Dashboard,
    Panel,
    Query,
    Row,
    Variable,
    at_least,
    at_most,
)
from deploy.grafana.generate.promql import WINDOW, buckets, mean, quantile, rate, share

MODEL = 'model=~"$model"'
COMPUTES = "and on (job, instance) basecast_compute_threads"

WAITING = Row(
    "The queue",
    [
        Panel(
            "Sequences that wait",
            "Of each model; of the longest queue, where each process has its own.",
            [Query(f"max by (model) (basecast_queue_jobs{{{MODEL}}})", "{{model}}")],
        ),
        Panel(
            "Tokens that wait",
            "The same as work. At `max_queue_tokens` (4 Mi by default) requests are turned away.",
            [Query(f"max by (model) (basecast_queue_tokens{{{MODEL}}})", "{{model}}")],
            levels=at_most(2 * 1024**2, 4 * 1024**2),
        ),
        Panel(
            "Oldest sequence",
            "How long it has waited. At a quarter of the usual deadline add workers, at half of it an alert fires.",
            [Query(f"max by (model) (basecast_queue_oldest_seconds{{{MODEL}}})", "{{model}}")],
            unit=SECONDS,
            levels=at_most(2.5, 5),
        ),
        Panel(
            "Wait of batches",
            "From submitted to started, of the first sequence of each batch.",
            [
                Query(quantile(q, "basecast_queue_wait_seconds", MODEL, "model"), f"{{{{model}}}} {name}")
                for q, name in ((0.5, "p50"), (0.99, "p99"))
            ],
            unit=SECONDS,
            levels=at_most(2.5, 5),
        ),
        Panel(
            "Left without an answer",
            "Sequences whose deadline passed first, and those whose caller hung up.",
            [
                Query(rate(f"basecast_expired_total{{{MODEL}}}", "model"), "{{model}} expired"),
                Query(rate(f"basecast_cancelled_total{{{MODEL}}}", "model"), "{{model}} cancelled"),
            ],
            unit=PER_SECOND,
            levels=NEVER,
        ),
        Panel(
            "Taken over and given up",
            "Sequences of workers that fell silent, those given up after three deliveries, and late replies.",
            [
                Query(rate(f"basecast_reclaimed_total{{{MODEL}}}", "model"), "{{model}} taken over"),
                Query(rate(f"basecast_dead_total{{{MODEL}}}", "model"), "{{model}} given up"),
                Query(rate("basecast_late_replies_total"), "late replies"),
            ],
            unit=PER_SECOND,
            levels=NEVER,
        ),
    ],
)

BATCHES = Row(
    "Batches",
    [
        Panel(
            "Throughput",
            "Tokens computed a second, padding aside.",
            [Query(rate(f"basecast_tokens_total{{{MODEL}}}", "model"), "{{model}}")],
            unit=PER_SECOND,
            stacked=True,
        ),
        Panel(
            "Batch size",
            "Mean rows of a batch. It grows by itself under load: what waits is taken together.",
            [Query(mean("basecast_batch_sequences", MODEL, "model"), "{{model}}")],
        ),
        Panel(
            "Padding",
            "Share of computed tokens that is padding. None on a CPU, which mixes no lengths; at most 20 % on a GPU.",
            [
                Query(
                    "1 - "
                    + share(
                        rate(f"basecast_tokens_total{{{MODEL}}}", "model"),
                        rate(f"basecast_padded_tokens_total{{{MODEL}}}", "model"),
                    ),
                    "{{model}}",
                )
            ],
            unit=SHARE,
            levels=at_most(0.2, 0.4),
        ),
        Panel(
            "Time in the model",
            "The watchdog ends a process whose batch takes 1.5 s, or ten times what it should if that is longer.",
            [
                Query(quantile(q, "basecast_batch_seconds", MODEL, "model"), f"{{{{model}}}} {name}")
                for q, name in ((0.5, "p50"), (0.99, "p99"))
            ],
            unit=SECONDS,
            levels=at_most(0.75, 1.5),
        ),
        Panel(
            "Batches by rows",
            "How many batches had how many rows.",
            [Query(buckets("basecast_batch_sequences", MODEL))],
            "heatmap",
        ),
        Panel(
            "Batches by tokens",
            "How many batches had how many tokens, padding included.",
            [Query(buckets("basecast_batch_tokens", MODEL))],
            "heatmap",
        ),
    ],
)

WORKERS = Row(
    "Workers and devices",
    [
        Panel(
            "Workers",
            "Live workers with a verified model, as the API sees them. None for a minute pages.",
            [Query(f'max by (model) (basecast_workers_ready{{{MODEL}, job="basecast-api"}})', "{{model}}")],
            levels=at_least(1),
        ),
        Panel(
            "Device use",
            "Share of the time that a GPU computes, or that the compute threads of a CPU do. At 90 % add workers.",
            [
                Query(
                    "basecast_device_utilisation_ratio or "
                    f"rate(basecast_worker_busy_seconds_total[{WINDOW}]) / basecast_compute_threads",
                    "{{instance}}",
                )
            ],
            unit=SHARE,
            levels=at_most(0.9, 0.98),
        ),
        Panel(
            "Device memory",
            "Memory of the GPU in use; where a CPU computes, resident memory of the process.",
            [Query(f"basecast_device_memory_bytes or (process_resident_memory_bytes {COMPUTES})", "{{instance}}")],
            unit=BYTES,
        ),
        Panel(
            "Batches that did not fit",
            "They were halved, and batches are smaller since. More than one in an hour is an alert.",
            [Query(f"sum by (instance) (increase(basecast_out_of_memory_total{{{MODEL}}}[1h]))", "{{instance}}")],
            levels=at_most(1, 2),
        ),
        Panel(
            "CPU in place of a GPU",
            "1 where CUDA did not start and the settings allow the CPU: right, and far slower.",
            [Query(f"max by (instance, model) (basecast_cpu_fallback{{{MODEL}}})", "{{instance}} {{model}}")],
            unit=COUNT,
            levels=NEVER,
        ),
        Panel(
            "Compute threads",
            "Batches that each process computes at once.",
            [Query("basecast_compute_threads", "{{instance}}")],
        ),
    ],
)

QUEUE = Dashboard(
    "basecast-queue",
    "Basecast: queue and workers",
    "Whether workers keep up with what is asked, and what they do with their time.",
    [WAITING, BATCHES, WORKERS],
    [Variable("model", "basecast_model_info")],
)
