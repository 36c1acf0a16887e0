"""Uploads, read beside the event loop: a small text in a thread, everything else in a process of its own.

A text that is not compressed and fits in `INLINE_BYTES` can cost neither much memory nor much time, so it is spared the
start of a process. Everything else is piped, without touching a disk, to `child`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

from app.errors import BodyTooLarge, InternalError, Overloaded, ServiceError, SlowRequest, VcfRefused
from app.genome.genotypes import Genotypes
from app.genome.upload.child import orders
from app.genome.upload.inflate import LONGEST_MAGIC, is_compressed
from app.genome.upload.parsing import parse_upload
from app.genome.upload.transfer import (
    GENOTYPES,
    HEAD,
    REFUSAL,
    MessageBroken,
    read_genotypes,
    read_refusal,
)
from app.genome.vcf.limits import VcfLimits
from app.genome.vcf.query import GenotypeQuery

INLINE_BYTES = 256 * 1024
PIPE_BYTES = 1024 * 1024
ROOT = Path(__file__).parents[3]
START = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from app.genome.upload.child import main; main()"
KILLED_FOR_COST = (-signal.SIGXCPU, -signal.SIGKILL)
MOST_CHILDREN = 2
RETRY_AFTER_MS = 2000


class Children:
    """The processes that read uploads now, of which there are never more than `most`."""

    def __init__(self, most: int = MOST_CHILDREN) -> None:
        self._most, self._running = most, 0

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """Room for a process, as long as it runs.

        Raises:
            Overloaded: there is none; nobody waits for it with an upload under way.
        """
        if self._running >= self._most:
            detail = (
                f"{self._most} uploads are being read; a VCF of up to {INLINE_BYTES} bytes of text is read at once."
            )
            raise Overloaded(detail, retry_after_ms=RETRY_AFTER_MS)
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1


async def read_upload(
    chunks: AsyncIterator[bytes], query: GenotypeQuery, limits: VcfLimits, children: Children | None = None
) -> Genotypes:
    """The genotypes of a region from an upload: text, gzip or bgzip.

    Args:
        chunks: the upload as it arrives, under no name.
        children: those that run already, where they are counted.

    Raises:
        Overloaded: it needs a process, and there are enough of them.
        BodyTooLarge: more arrives than `max_vcf_upload_bytes`.
        SlowRequest: it does not arrive in `max_seconds`.
        UnsupportedMediaType: it is of another format.
        DecompressedTooLarge: it inflates to more than the limits.
        Unprocessable: it is refused as a VCF, or lacks a sample.
    """
    bounded = _bounded(chunks, limits)
    begun = bytearray()
    async for chunk in bounded:
        begun += chunk
        if len(begun) > INLINE_BYTES or is_compressed(bytes(begun[:LONGEST_MAGIC])):
            with (children or Children()).one_more():
                return await _read_in_child(bytes(begun), bounded, query, limits)
    return await asyncio.to_thread(parse_upload, [bytes(begun)], query, limits)


async def _bounded(chunks: AsyncIterator[bytes], limits: VcfLimits) -> AsyncIterator[bytes]:
    arrived = 0
    async for chunk in chunks:
        arrived += len(chunk)
        if arrived > limits.max_vcf_upload_bytes:
            raise BodyTooLarge(
                f"An upload has at most {limits.max_vcf_upload_bytes} bytes; compress it or send a part."
            )
        yield chunk


async def _read_in_child(
    begun: bytes, rest: AsyncIterator[bytes], query: GenotypeQuery, limits: VcfLimits
) -> Genotypes:
    process = await _started()
    feeding = asyncio.create_task(_feed(process, orders(query, limits) + begun, rest))
    answering = asyncio.create_task(_message(process, limits))
    try:
        async with asyncio.timeout(limits.max_seconds):
            await asyncio.wait({feeding, answering}, return_when=asyncio.FIRST_COMPLETED)
            if feeding.done():
                feeding.result()
            kind, payload = await answering
    except TimeoutError:
        raise _out_of_time(limits, arrived=feeding.done()) from None
    finally:
        await _end(process, feeding, answering)
    return await asyncio.to_thread(_result, kind, payload, query)


async def _started() -> Process:
    # No secret of ours is in it; Python itself may lie in LD_LIBRARY_PATH, and without HOME it asks the system for one.
    library_path = os.environ.get("LD_LIBRARY_PATH", "")
    environment = {"OPENBLAS_NUM_THREADS": "1", "LD_LIBRARY_PATH": library_path, "HOME": "/"}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-c", START, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=environment, limit=PIPE_BYTES
    )  # fmt: skip


async def _feed(process: Process, begun: bytes, rest: AsyncIterator[bytes]) -> None:
    """Pass the upload on, until it or the reader ends."""
    pipe = process.stdin
    assert pipe is not None  # noqa: S101 - it was asked for
    try:
        pipe.write(begun)
        await pipe.drain()
        async for chunk in rest:
            pipe.write(chunk)
            await pipe.drain()
        pipe.close()
    except (BrokenPipeError, ConnectionResetError):
        pass  # the reader has seen enough; its message says why


async def _message(process: Process, limits: VcfLimits) -> tuple[bytes, bytes]:
    pipe = process.stdout
    assert pipe is not None  # noqa: S101 - it was asked for
    try:
        kind, payload_bytes = HEAD.unpack(await pipe.readexactly(HEAD.size))
        payload = await pipe.readexactly(min(payload_bytes, limits.max_memory_bytes))
    except asyncio.IncompleteReadError:
        raise _failed(await process.wait()) from None
    return kind, payload


def _failed(status: int) -> ServiceError:
    if status in KILLED_FOR_COST:
        return VcfRefused("vcf_too_costly", "Reading the VCF takes more time than one upload may; send a part of it.")
    return InternalError("The reader of the VCF failed.")


def _out_of_time(limits: VcfLimits, *, arrived: bool) -> ServiceError:
    if arrived:
        return _failed(-signal.SIGXCPU)
    return SlowRequest(f"The upload did not arrive within {limits.max_seconds} seconds.")


async def _end(process: Process, *tasks: asyncio.Task[object]) -> None:
    """Leave nothing behind: no process, whatever happens while this waits; no task, no open pipe."""
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    if process.stdin is not None and process.stdout is not None:
        process.stdin.close()
        await process.stdout.read()
    await process.wait()


def _result(kind: bytes, payload: bytes, query: GenotypeQuery) -> Genotypes:
    try:
        if kind == GENOTYPES:
            return read_genotypes(payload, query)
        if kind == REFUSAL:
            raise read_refusal(payload)
    except MessageBroken:
        pass
    raise InternalError("The reader of the VCF failed.")
