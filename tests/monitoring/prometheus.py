"""A real Prometheus over the committed configuration, with other addresses and shorter intervals."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import numpy.typing as npt
import yaml

from tests.debian import require
from tests.live import free_port
from tests.monitoring.places import PROMETHEUS

START_SECONDS = 60
SCRAPE_SECONDS = 1.0


@dataclass(frozen=True)
class Series:
    """What a query gave.

    Attributes:
        times, values: (samples,) seconds since 1970 and the values; not a number where there is none.
    """

    labels: Mapping[str, str]
    times: npt.NDArray[np.float64]
    values: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Prometheus:
    """A running server."""

    process: subprocess.Popen[bytes]
    port: int

    @classmethod
    @contextmanager
    def start(cls, release: str, targets: Mapping[str, list[str]]) -> Iterator[Prometheus]:
        """That of a Debian release, which scrapes these addresses, given for each job of the configuration."""
        with tempfile.TemporaryDirectory(prefix="prometheus-") as place:
            folder, port = Path(place), free_port()
            (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration(targets, port)))
            command = [
                require("prometheus", release),
                f"--config.file={folder}/prometheus.yml",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address=127.0.0.1:{port}",
                "--log.level=error",
            ]
            process = subprocess.Popen(command, env=os.environ | {"GOMAXPROCS": "1"})
            try:
                server = cls(process, port)
                server.wait()
                yield server
            finally:
                process.kill()
                process.wait()

    def wait(self) -> None:
        """Return when it is ready."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if httpx.get(f"http://127.0.0.1:{self.port}/-/ready").status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise AssertionError("Prometheus does not become ready")

    def ask(self, path: str, **parameters: object) -> Any:
        """The data of an answer of its API."""
        answer = httpx.post(f"http://127.0.0.1:{self.port}/api/v1/{path}", data=parameters, timeout=30)
        assert answer.status_code == httpx.codes.OK, answer.text
        return answer.json()["data"]

    def alerts(self) -> list[Any]:
        """The alerts that are pending or fire."""
        answer = httpx.get(f"http://127.0.0.1:{self.port}/api/v1/alerts", timeout=30)
        return list(answer.json()["data"]["alerts"])

    def range(self, expression: str, start: float, end: float, step_seconds: float) -> list[Series]:
        """Every series of an expression, as a panel asks for it."""
        found = self.ask("query_range", query=expression, start=start, end=end, step=step_seconds)["result"]
        return [_series(it["metric"], it["values"]) for it in found]

    def now(self, expression: str) -> list[Series]:
        """Every series of an expression at this moment, as a table asks for it."""
        return [_series(it["metric"], [it["value"]]) for it in self.ask("query", query=expression)["result"]]


def configuration(targets: Mapping[str, list[str]], port: int) -> dict[str, Any]:
    """The committed configuration, but for addresses and intervals."""
    committed: dict[str, Any] = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    addresses = {**targets, "prometheus": [f"127.0.0.1:{port}"]}
    jobs = [
        {"job_name": job["job_name"], "static_configs": [{"targets": addresses[job["job_name"]]}]}
        for job in committed["scrape_configs"]
    ]
    times = {
        "scrape_interval": f"{round(SCRAPE_SECONDS * 1000)}ms",
        "scrape_timeout": f"{round(SCRAPE_SECONDS * 900)}ms",
    }
    rules = [str(PROMETHEUS / path) for path in committed["rule_files"]]
    return {"global": times | {"evaluation_interval": "1s"}, "rule_files": rules, "scrape_configs": jobs}


def _series(labels: dict[str, str], samples: list[tuple[float, str]]) -> Series:
    times, values = zip(*samples, strict=True)
    return Series(labels, np.array(times, dtype=float), np.array([float(value) for value in values]))
