"""A service under load and under faults, whose numbers are known because we bring them about.

An API process, two workers and an exporter around a Redis, and every Prometheus that there is watches them. First a
steady load, then one after the other what a dashboard has to show; `Facts` says what happened, and when.
"""

from __future__ import annotations

import itertools
import random
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import onnxruntime as ort
import pysam

from app.queue.redis.keys import Keys
from tests.monitoring.facts import WINDOW_SECONDS, Facts
from tests.monitoring.prometheus import SCRAPE_SECONDS, Prometheus
from tests.monitoring.stage import COHORT, Stage, resident_bytes, until

STEADY_SECONDS, STOPPED_SECONDS, STALL_SECONDS = WINDOW_SECONDS + 3.0, WINDOW_SECONDS - 3.0, 1.5
SEQUENCES, BASES, GC = 4, 20, 12  # of a request of the steady load: 12 / 20 is one deviation above gc's mean of 0.5
OF_TOKENS = "ACGTACGTAC"  # (1 + 2 * (4 + 5 + 6 + 7) + 4 + 5 + 2) / 12, a third below mean-id's mean of 5


@dataclass(frozen=True)
class Scene:
    """What is running, or was; each Prometheus by the Debian release that it comes from."""

    prometheuses: dict[str, Prometheus]
    facts: Facts
    exposed: dict[str, str]


@contextmanager
def scene(models: Path, releases: Sequence[str]) -> Iterator[Scene]:
    """Play it all; everything still runs while it is looked at."""
    facts = Facts()
    with ExitStack() as stack:
        stage = Stage(stack, models, facts)
        starting = {release: Prometheus.start(release, stage.targets()) for release in releases}
        prometheuses = {
            release: stack.enter_context(it) for release, it in starting.items()
        }  # needs seconds, as all do
        until(lambda: stage.http.get("/readyz").status_code == 200)
        for prometheus in prometheuses.values():
            until(lambda it=prometheus: len(it.now('up{job=~"basecast-.*"} == 1')) == len(stage.workers) + 2)
        facts.began = time.time()
        facts.api = f"127.0.0.1:{stage.api.port}"
        facts.workers = [f"127.0.0.1:{worker.metrics_port}" for worker in stage.workers]
        facts.fallback = float("CUDAExecutionProvider" not in ort.get_available_providers())
        _pause()
        _steady_load(stage, facts)
        _what_callers_do_wrong(stage)
        _people(stage, facts)
        _what_does_not_fit(stage)
        _workers_stand_still(stage, facts)
        _the_api_stands_still(stage)
        _redis_hangs_up(stage)
        exposed = {"api": stage.http.get("/metrics").text}
        exposed["worker"] = httpx.get(f"http://{facts.workers[0]}/metrics").text
        facts.worker_bytes = resident_bytes(stage.workers[0])
        with stage.redis.client() as client:
            facts.redis_bytes = client.info("memory")["used_memory"]
        facts.ended = time.time()
        yield Scene(prometheuses, facts, exposed)


def _steady_load(stage: Stage, facts: Facts) -> None:
    chance, last = random.Random(7), time.time() + STEADY_SECONDS
    while time.time() < last:
        sequences = [
            "".join(chance.sample("GC" * (GC // 2) + "AT" * ((BASES - GC) // 2), BASES)) for _ in range(SEQUENCES)
        ]
        assert stage.predict(sequences).status_code == 200
        facts.answered.append((time.time(), "gc"))
        time.sleep(0.02)
        if len(facts.answered) % 10 == 0:
            assert stage.predict([OF_TOKENS], "mean-id").status_code == 200
            facts.answered.append((time.time(), "mean-id"))
    facts.steady_at = time.time()
    _pause()


WRONG_BASES, UNKNOWN_MODELS, EQUAL = 3, 2, 5


def _what_callers_do_wrong(stage: Stage) -> None:
    for _ in range(WRONG_BASES):
        assert stage.predict(["GXC"]).status_code == 422
    for _ in range(UNKNOWN_MODELS):
        assert stage.predict(["GC"], "nobody").status_code == 404
    assert stage.predict(["ACGT" * 5] * EQUAL).status_code == 200


def _people(stage: Stage, facts: Facts) -> None:
    asked = {"model": "gc", "cohort": "example", "region": "sim1:39951-40050"}
    counts = _individual(stage, asked)["counts"]
    facts.haplotypes, facts.distinct_haplotypes = counts["haplotypes"], counts["distinct_haplotypes"]
    _pause()
    document = _individual(stage, {"model": "gc", "vcf": _vcf(), "region": "sim1:39951-40050"})
    facts.all_haplotypes = facts.haplotypes + document["counts"]["haplotypes"]
    facts.variants_skipped = sum(len(it["skipped"]) for one in document["individuals"] for it in one["haplotypes"])


def _individual(stage: Stage, asked: dict[str, str]) -> Any:
    answer = stage.ask("/predict/individual", dict(asked))
    assert answer.status_code == 200, answer.text
    return answer.json()


def _vcf() -> str:
    """One person with a kind of variant that is skipped."""
    with pysam.FastaFile(str(COHORT / "reference.fa.gz")) as reference:
        base = reference.fetch("sim1", 39_999, 40_000)
    columns = ["CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", "SIM"]
    record = ["sim1", "40000", ".", base, "<DUP>", ".", "PASS", "END=40005", "GT", "1|1"]
    header = '##fileformat=VCFv4.2\n##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n'
    return header + "#" + "\t".join(columns) + "\n" + "\t".join(record) + "\n"


def _what_does_not_fit(stage: Stage) -> None:
    rows = ["".join(bases) for bases in itertools.islice(itertools.product("ACGT", repeat=4), 8)]
    assert stage.predict(rows, "hungry").status_code == 200
    _pause()


SHED = 3
WAITING, WAITING_BASES, EXPIRED_BASES, CANCELLED_BASES = 6, 60, 30, 40
# Nobody deletes from a queue what nobody has taken, so those who have left stay until a worker skips them.
QUEUED_JOBS = WAITING + 2
QUEUED_TOKENS = WAITING * WAITING_BASES + EXPIRED_BASES + CANCELLED_BASES


def _workers_stand_still(stage: Stage, facts: Facts) -> None:
    """And one of them never gets up again; what it held the other takes over."""
    for worker in stage.workers:
        worker.process.send_signal(signal.SIGSTOP)
    sequences = [f"{'G' * n}{'A' * (WAITING_BASES - n)}" for n in range(1, WAITING + 1)]
    patient = threading.Thread(target=stage.predict, args=(sequences,), kwargs={"deadline_ms": 60_000})
    patient.start()
    with stage.redis.client() as client:
        until(lambda: client.xlen(Keys("basecast").interactive(stage.digest)) == WAITING)
    stopped_until = time.time() + STOPPED_SECONDS
    for number in range(SHED):
        assert stage.predict(["ACGT"[number] * n for n in range(800, 803)]).status_code == 503
    assert stage.predict(["T" * EXPIRED_BASES], deadline_ms=500).status_code == 504
    with suppress(httpx.ReadTimeout):  # the caller hangs up
        stage.ask("/predict", {"model": "gc", "sequences": ["T" * CANCELLED_BASES]}, seconds=0.7)
    time.sleep(max(0.0, stopped_until - time.time()))
    facts.stopped_at = time.time()
    stage.workers[1].process.kill()
    stage.workers[0].process.send_signal(signal.SIGCONT)
    patient.join()
    until(lambda: stage.http.get("/readyz").status_code == 200)
    _pause()


def _the_api_stands_still(stage: Stage) -> None:
    stage.api.process.send_signal(signal.SIGSTOP)
    time.sleep(STALL_SECONDS)
    stage.api.process.send_signal(signal.SIGCONT)
    _pause()


def _redis_hangs_up(stage: Stage) -> None:
    """And finds among the requests one that nobody can read."""
    with stage.redis.client() as client:
        client.client_kill_filter(_type="normal", skipme=True)
        client.xadd(Keys("basecast").interactive(stage.digest), {"d": b"no request"})
    _pause()


def _pause() -> None:
    """Until Prometheus has seen what happened, and that nothing more does."""
    time.sleep(2 * SCRAPE_SECONDS)
