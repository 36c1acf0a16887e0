"""The bytes of an upload as text: plain, gzip or bgzip, inflated within limits.

Only zlib sees compressed bytes, one member at a time, and never asks for more than a piece of output at once.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

from app.errors import DecompressedTooLarge, UnsupportedMediaType, VcfRefused
from app.genome.vcf.limits import MEBI, VcfLimits

PIECE_BYTES = 256 * 1024
FED_BYTES = 16 * 1024  # small, because zlib copies what follows a member
GZIP = b"\x1f\x8b"
BGZIP_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
BGZIP_FIELD = b"BC\x02\x00"
BGZIP_FIELD_AT = 12
LONGEST_MAGIC = 16
OTHER_FORMATS = {
    b"BCF": "BCF",
    b"CRAM": "CRAM",
    b"BAM\x01": "BAM",
    b"PK\x03\x04": "zip",
    b"\xfd7zXZ": "xz",
    b"BZh": "bzip2",
    b"\x28\xb5\x2f\xfd": "Zstandard",
}


def is_compressed(head: bytes) -> bool:
    """Whether an upload that begins so is gzip or bgzip."""
    return head.startswith(GZIP)


def text_of(chunks: Iterable[bytes], limits: VcfLimits) -> Iterator[bytes]:
    """The text of an upload, in pieces.

    Raises:
        UnsupportedMediaType: it is of another format, or compressed twice.
        DecompressedTooLarge: it inflates to more than the limits.
        VcfRefused: the compressed data are damaged or cut short.
    """
    head, whole = _with_head(chunks)
    if is_compressed(head):
        head, whole = _with_head(_inflated(whole, limits))
        if is_compressed(head):
            raise UnsupportedMediaType("The file is compressed twice; compress it once, with bgzip or gzip.")
    _refuse_other_formats(head)
    yield from whole


def _with_head(chunks: Iterable[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """The first bytes, and all chunks with them."""
    remaining = iter(chunks)
    head = b""
    while len(head) < LONGEST_MAGIC and (chunk := next(remaining, None)) is not None:
        head += chunk
    return head, _chain(head, remaining)


def _chain(head: bytes, remaining: Iterator[bytes]) -> Iterator[bytes]:
    yield head
    yield from remaining


def _refuse_other_formats(head: bytes) -> None:
    for magic, name in OTHER_FORMATS.items():
        if head.startswith(magic):
            raise UnsupportedMediaType(f"The file is {name}; send VCF text, plain or compressed with bgzip or gzip.")
    if head.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
        raise VcfRefused("vcf_encoding", "A VCF is UTF-8 text without a byte order mark.")


def _inflated(chunks: Iterable[bytes], limits: VcfLimits) -> Iterator[bytes]:
    reader = GzipReader(limits)
    for chunk in chunks:
        yield from reader.feed(chunk)
    yield from reader.finish()


class GzipReader:
    """Inflates the members of one gzip or bgzip file; owns the state of zlib.

    Args:
        limits: of what may come out.
    """

    def __init__(self, limits: VcfLimits) -> None:
        self._limits = limits
        self._decoder: zlib._Decompress | None = None
        self._pending = b""
        self._complete = False
        self._members = 0
        self._is_bgzip = self._has_ended = False
        self._fed_bytes = self._inflated_bytes = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What comes out of the next compressed bytes."""
        for start in range(0, len(data), FED_BYTES):
            self._pending += data[start : start + FED_BYTES]
            yield from self._inflate_pending()

    def finish(self) -> Iterator[bytes]:
        """The rest.

        Raises:
            VcfRefused: the file was cut short.
        """
        self._complete = True
        yield from self._inflate_pending()
        if self._decoder is not None or (self._is_bgzip and not self._has_ended):
            raise VcfRefused("vcf_truncated", "The compressed file ends too early; compress and send it again.")

    def _inflate_pending(self) -> Iterator[bytes]:
        while self._pending and (self._decoder or self._begins_member()):
            if text := self._inflate_piece():
                yield text

    def _begins_member(self) -> bool:
        """Whether the pending bytes begin a member; False as well where they are too few to tell."""
        if self._has_ended:
            raise _damaged("it goes on after its end")
        if len(self._pending) < len(BGZIP_END) and not self._complete:
            return False
        if not is_compressed(self._pending):
            raise _damaged("something other than gzip follows a member")
        self._members += 1
        if self._members > self._limits.max_members:
            raise DecompressedTooLarge(f"A compressed file has at most {self._limits.max_members} members or blocks.")
        if self._members == 1:
            self._is_bgzip = self._pending[BGZIP_FIELD_AT:].startswith(BGZIP_FIELD)
        self._has_ended = self._is_bgzip and self._pending.startswith(BGZIP_END)
        self._decoder = zlib.decompressobj(wbits=31)
        return True

    def _inflate_piece(self) -> bytes:
        decoder = self._decoder
        assert decoder is not None  # noqa: S101 - the caller has seen it
        try:
            text = decoder.decompress(self._pending, PIECE_BYTES)
        except zlib.error:
            raise _damaged("zlib cannot read it, or its checksum is wrong") from None
        left = decoder.unused_data if decoder.eof else decoder.unconsumed_tail
        self._fed_bytes += len(self._pending) - len(left)
        self._inflated_bytes += len(text)
        self._pending = left
        if decoder.eof:
            self._decoder = None
        self._check_growth()
        return text

    def _check_growth(self) -> None:
        limits = self._limits
        if self._inflated_bytes > limits.max_vcf_bytes:
            raise DecompressedTooLarge(
                f"The file inflates to more than {limits.max_vcf_bytes} bytes; send a part of it."
            )
        if self._inflated_bytes > max(MEBI, limits.max_ratio * self._fed_bytes):
            raise DecompressedTooLarge(f"The file inflates to more than {limits.max_ratio} times its size.")


def _damaged(how: str) -> VcfRefused:
    return VcfRefused("vcf_damaged", f"The compressed file is damaged: {how}. Compress and send it again.")
