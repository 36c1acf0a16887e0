"""Uploads are read beside the event loop, and leave no process behind, however they end."""

from __future__ import annotations

import asyncio
import gzip
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.errors import BodyTooLarge, ClientGone, InternalError, ServiceError, SlowRequest, Unprocessable
from app.genome.upload import reading
from app.genome.upload.child import answer, orders, read_orders
from app.genome.upload.reading import INLINE_BYTES, read_upload
from app.genome.upload.transfer import FAILURE, HEAD
from app.genome.vcf.query import GenotypeQuery
from tests.genome.test_upload_inflate import bgzip
from tests.genome.vcfs import FIRST_KILOBASE, LIMITS, assert_equal_genotypes, pieces, read, vcf

SMALL = vcf(*(f"chr1 {position} . A C . PASS . GT:PS 0|1:7 ./1" for position in range(1, 900)))
LARGE = SMALL.replace(b"\t.\tA", b"\t" + b"x" * 400 + b"\tA")


async def arriving(data: bytes, size: int = 50_000) -> AsyncIterator[bytes]:
    for piece in pieces(data, size):
        yield piece


async def stalling(data: bytes) -> AsyncIterator[bytes]:
    yield data
    await asyncio.sleep(3600)


def children() -> set[str]:
    """Ids of the processes that this one has started and not yet seen end."""
    stats = filter(None, map(_stat, Path("/proc").glob("[0-9]*/stat")))
    return {stat.split()[0] for stat in stats if stat.rpartition(")")[2].split()[1] == str(os.getpid())}


def _stat(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it has ended meanwhile
        return ""


@pytest.fixture(autouse=True)
def no_process_is_left_behind():
    before = children()
    yield
    assert children() <= before


@pytest.mark.parametrize("upload", [LARGE, gzip.compress(SMALL), bgzip(LARGE)], ids=["text", "gzip", "bgzip"])
async def test_a_child_reads_what_the_parser_reads(upload):
    assert_equal_genotypes(await read_upload(arriving(upload), FIRST_KILOBASE, LIMITS), read(SMALL))


async def test_a_child_gets_region_samples_and_limits():
    query = GenotypeQuery("1", 99, 200, samples=("b",), contig_bases=1000)
    assert_equal_genotypes(await read_upload(arriving(gzip.compress(SMALL)), query, LIMITS), read(SMALL, query))
    limits = replace(LIMITS, max_vcf_records=5)
    with pytest.raises(Unprocessable, match="Line 9: a VCF has at most 5 records"):
        await read_upload(arriving(gzip.compress(SMALL)), query, limits)


async def test_a_small_text_needs_no_process(monkeypatch):
    monkeypatch.setattr(reading, "START", "raise SystemExit(3)")
    assert len(SMALL) < INLINE_BYTES < len(LARGE)
    assert_equal_genotypes(await read_upload(arriving(SMALL), FIRST_KILOBASE, LIMITS), read(SMALL))
    with pytest.raises(InternalError, match="The reader of the VCF failed"):
        await read_upload(arriving(LARGE), FIRST_KILOBASE, LIMITS)


async def test_a_refusal_ends_an_upload_that_still_arrives():
    with pytest.raises(Unprocessable) as error:
        await read_upload(stalling(bgzip(b"##fileformat=VCFv4.2\nno header\n")), FIRST_KILOBASE, LIMITS)
    assert error.value.problem_code == "vcf_header"


@pytest.mark.parametrize("upload", [SMALL, LARGE, gzip.compress(os.urandom(500_000))])
async def test_more_than_may_arrive_is_refused(upload):
    with pytest.raises(BodyTooLarge, match="at most 1000 bytes"):
        await read_upload(arriving(upload, 300), FIRST_KILOBASE, replace(LIMITS, max_vcf_upload_bytes=1000))


async def test_a_caller_that_goes_away_ends_the_reading():
    async def breaking_off() -> AsyncIterator[bytes]:
        yield gzip.compress(SMALL)[:2000]
        raise ClientGone

    with pytest.raises(ClientGone):
        await read_upload(breaking_off(), FIRST_KILOBASE, LIMITS)


async def test_an_upload_that_does_not_arrive_is_given_up():
    with pytest.raises(SlowRequest, match="within 1 seconds"):
        await read_upload(stalling(gzip.compress(SMALL)[:500]), FIRST_KILOBASE, replace(LIMITS, max_seconds=1))


async def test_cancelling_ends_the_child():
    begun = asyncio.Event()

    async def upload() -> AsyncIterator[bytes]:
        yield gzip.compress(SMALL)[:500]
        begun.set()
        await asyncio.sleep(3600)

    before = children()
    task = asyncio.create_task(read_upload(upload(), FIRST_KILOBASE, LIMITS))
    await begun.wait()
    assert len(children() - before) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    "start",
    ["import os, signal; os.kill(os.getpid(), signal.SIGXCPU)", "import time; time.sleep(3600)"],
    ids=["processor time", "time on the wall"],
)
async def test_a_child_that_takes_too_long_is_the_uploads_fault(monkeypatch, start):
    monkeypatch.setattr(reading, "START", f"import sys; sys.stdin.buffer.read(); {start}")
    with pytest.raises(Unprocessable) as error:
        await read_upload(arriving(gzip.compress(SMALL)), FIRST_KILOBASE, replace(LIMITS, max_seconds=2))
    assert error.value.problem_code == "vcf_too_costly"


async def test_a_child_has_no_more_memory_than_its_limit():
    upload = gzip.compress(SMALL.replace(b"\tA\tC", b"\t" + b"A" * 50_000 + b"\tC"))
    limits = replace(LIMITS, max_memory_bytes=64 * 2**20, max_ratio=10_000)
    with pytest.raises(Unprocessable) as error:
        await read_upload(arriving(upload), FIRST_KILOBASE, limits)
    assert error.value.problem_code == "vcf_too_costly"


@pytest.mark.parametrize(
    "said",
    [
        "b''",
        "b'garbage that is no message'",
        "b'g' + bytes(8)",
        "b'r' + bytes(8)",
        "b'f' + bytes(8)",
        "b'g' + b'\\xff' * 8",
    ],
)
async def test_a_child_that_answers_anything_else_is_not_believed(monkeypatch, said):
    monkeypatch.setattr(reading, "START", f"import sys; sys.stdin.buffer.read(); sys.stdout.buffer.write({said})")
    with pytest.raises(InternalError, match="The reader of the VCF failed"):
        await read_upload(arriving(gzip.compress(SMALL)), FIRST_KILOBASE, LIMITS)


def test_orders_arrive_as_they_were():
    query = GenotypeQuery("chr1", 5, 9, samples=("José", "b"), contig_bases=10)
    assert read_orders(orders(query, LIMITS)) == (query, LIMITS)
    assert read_orders(orders(FIRST_KILOBASE, LIMITS)) == (FIRST_KILOBASE, LIMITS)
    nobody = replace(FIRST_KILOBASE, samples=())
    assert read_orders(orders(nobody, LIMITS)) == (nobody, LIMITS)


def failing(error: Exception) -> Iterator[bytes]:
    """An upload that fails as nothing foresees."""
    yield b"##fileformat"
    raise error


def test_faults_of_the_reader_keep_their_texts():
    assert answer(failing(ZeroDivisionError("GATTACA")), FIRST_KILOBASE, LIMITS) == [HEAD.pack(FAILURE, 0)]
    (message,) = answer(failing(MemoryError()), FIRST_KILOBASE, LIMITS)
    assert b"vcf_too_costly" in message


def test_a_confined_process_can_open_nothing():
    code = """
import socket, sys
from app.genome.upload.child import confine
from app.genome.vcf.limits import VcfLimits
confine(VcfLimits())
for attempt in (lambda: open("/etc/passwd"), socket.socket, lambda: open("/tmp/x", "w")):
    try:
        attempt()
    except OSError as error:
        sys.stdout.write(type(error).__name__ + error.strerror + "|")
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert ran.stdout.split("|") == ["OSErrorToo many open files"] * 3 + [""]


async def test_many_uploads_are_read_at_once():
    results = await asyncio.gather(
        *(read_upload(arriving(gzip.compress(SMALL)), FIRST_KILOBASE, LIMITS) for _ in range(4))
    )
    assert [len(result.positions) for result in results] == [899] * 4


async def test_errors_say_nothing_of_the_upload():
    secret = b"CANARYGATTACA"
    for upload in (SMALL.replace(b"\tA\tC", b"\t" + secret + b"-\tC"), SMALL.replace(b"0|1", secret)):
        for sent in (upload, gzip.compress(upload)):
            with pytest.raises(ServiceError) as error:
                await read_upload(arriving(sent), FIRST_KILOBASE, LIMITS)
            assert secret.decode() not in f"{error.value!r} {error.value.detail} {error.value.items}"
