"""The measurements as a page: benchmarks/README.md."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from benchmarks.measure import LIST, Plan, Row
from benchmarks.workload import Workload

HEAD = "| load | sequences/s | spread | of raw | p50 ms | p95 ms | p99 ms | errors | generator busy |\n"
LIBRARIES = ("onnxruntime", "uvicorn", "fastapi")
RULE = "|---|---:|---:|---:|---:|---:|---:|---:|---:|\n"


def page(measured: Mapping[Workload, Sequence[Row]], plan: Plan) -> str:
    """The whole page."""
    sections = "\n".join(_section(workload, rows) for workload, rows in measured.items())
    return f"""# Benchmark: the service beside raw ONNX Runtime

Written by `make bench`. {machine()}

The server has one core, the load generator the other; raw runs are on the server's core while the server idles. Raw is
a bare loop around `session.run` on sequences that are encoded already, in the better of two packings: one by one, or
groups of equal length of up to {LIST}. Each figure is the median of {plan.rounds} rounds of {plan.seconds:g} s in
which raw and service take turns; spread is (largest - smallest) / median. Closed loop, N: N callers, each with one
sequence a request; 8 x {LIST}: 8 callers with lists of {LIST}. Open loop: requests arrive at random at a share of the
throughput that 64 callers reached, and lateness counts as latency ({plan.open_seconds:g} s, one round). The generator
is not the bottleneck where it is busy for less than its whole core.

{sections}"""


def _section(workload: Workload, rows: Sequence[Row]) -> str:
    body = "".join(_line(row) for row in rows)
    alone, one = rows[0], rows[1]
    added = one.p50_ms - alone.p50_ms
    return f"""## {workload.name}, {workload.lengths}

{HEAD}{RULE}{body}
At concurrency 1 the service adds {added:.2f} ms to the {alone.p50_ms:.2f} ms of `session.run` (p50).
"""


def _line(row: Row) -> str:
    tail = [f"{row.p50_ms:.2f}", f"{row.p95_ms:.2f}", f"{row.p99_ms:.2f}", str(row.errors), f"{row.generator_busy:.0%}"]
    cells = [row.kind, f"{row.sequences_per_second:,.0f}", f"{row.spread:.0%}", f"{row.ratio:.2f}", *tail]
    if row.ratio == 1 and not row.p95_ms:
        cells[5:] = ["", "", "", ""]
    return f"| {' | '.join(cells)} |\n"


def machine(names: Sequence[str] = LIBRARIES) -> str:
    """The machine, the libraries and the commit, in one sentence."""
    commit = _output("git", "rev-parse", "--short", "HEAD")
    changed = " with uncommitted changes" if _output("git", "status", "--porcelain", "--", "app") else ""
    libraries = ", ".join(f"{name} {version(name)}" for name in names)
    return f"Machine: {_processor()}, Python {platform.python_version()}, {libraries}; commit {commit}{changed}."


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    name = next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown processor"
    )
    return f"{name}, {sum(line.startswith('processor') for line in lines)} cores"


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
