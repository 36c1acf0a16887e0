"""What compressed uploads may be, and how far they may grow."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import DecompressedTooLarge, ServiceError, UnsupportedMediaType, VcfRefused
from app.genome.upload.inflate import BGZIP_END, text_of
from tests.genome.vcfs import LIMITS, pieces

TEXT = b"".join(b"line %d of a text\n" % number for number in range(9_999))


def block(text: bytes) -> bytes:
    """A block of bgzip."""
    compressor = zlib.compressobj(wbits=-15)
    deflated = compressor.compress(text) + compressor.flush()
    size = (len(deflated) + 25).to_bytes(2, "little")
    head = bytes.fromhex("1f8b08040000000000ff0600424302 00".replace(" ", ""))
    return head + size + deflated + zlib.crc32(text).to_bytes(4, "little") + len(text).to_bytes(4, "little")


def bgzip(text: bytes) -> bytes:
    return b"".join(block(piece) for piece in pieces(text, 60_000)) + BGZIP_END


def inflated(data: bytes, size: int = 65_536, **limits: int) -> bytes:
    return b"".join(text_of(pieces(data, size), replace(LIMITS, **limits)))


def refused(data: bytes, **limits: int) -> str:
    with pytest.raises(ServiceError) as error:
        inflated(data, **limits)
    return error.value.problem_code


@pytest.mark.parametrize("compress", [bytes, gzip.compress, bgzip])
@pytest.mark.parametrize("size", [1, 27, 28, 1000, 10**9])
def test_gives_the_text_however_it_arrives(compress, size):
    assert inflated(compress(TEXT), size) == TEXT


def test_members_follow_one_another():
    assert inflated(gzip.compress(b"a\n") + gzip.compress(b"") + gzip.compress(b"b\n")) == b"a\nb\n"


def test_a_very_short_member_is_read():
    assert inflated(gzip.compress(b"")) == b""


def test_nothing_is_nothing():
    assert inflated(b"") == b""


@pytest.mark.parametrize("compress", [gzip.compress, bgzip])
@pytest.mark.parametrize("lost", [1, 4, 8, 29, 300])
def test_a_file_that_was_cut_short_is_refused(compress, lost):
    assert refused(compress(TEXT)[:-lost]) == "vcf_truncated"


def test_bgzip_without_its_end_was_cut_at_a_block():
    assert refused(bgzip(TEXT).removesuffix(BGZIP_END)) == "vcf_truncated"


@pytest.mark.parametrize("at", [20, 500, -8, -3])
def test_damage_is_refused(at):
    data = bytearray(gzip.compress(TEXT))
    data[at] ^= 0x55
    assert refused(bytes(data)) in ("vcf_damaged", "vcf_truncated")


@pytest.mark.parametrize("garbage", [b"\0", b"x", b"\n" * 100, b"PK\x03\x04"])
@pytest.mark.parametrize("compress", [gzip.compress, bgzip])
def test_what_follows_the_end_is_refused(compress, garbage):
    assert refused(compress(TEXT) + garbage) == "vcf_damaged"


def test_a_second_file_behind_the_end_of_bgzip_is_refused():
    assert refused(bgzip(TEXT) + bgzip(TEXT)) == "vcf_damaged"


@pytest.mark.parametrize(
    "inner",
    [
        b"BCF\x02\x02",
        b"CRAM\x03",
        b"BAM\x01",
        b"PK\x03\x04",
        lzma.compress(b"x"),
        bz2.compress(b"x"),
        b"\x28\xb5\x2f\xfd",
    ],
)
@pytest.mark.parametrize("compress", [bytes, gzip.compress, bgzip])
def test_other_formats_are_refused_by_name(compress, inner):
    with pytest.raises(UnsupportedMediaType, match=r"The file is (BCF|CRAM|BAM|zip|xz|bzip2|Zstandard); send VCF text"):
        inflated(compress(inner))


def test_double_compression_is_refused():
    with pytest.raises(UnsupportedMediaType, match="compressed twice"):
        inflated(gzip.compress(bgzip(TEXT)))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_byte_order_marks_are_refused(encoding):
    with pytest.raises(VcfRefused, match="without a byte order mark"):
        inflated("##fileformat=VCFv4.2".encode(encoding))


def test_a_bomb_ends_after_its_first_mebibyte():
    seen: list[int] = []
    text = text_of([gzip.compress(bytes(64 * 2**20))], LIMITS)
    with pytest.raises(DecompressedTooLarge, match="more than 200 times its size"):
        seen.extend(len(piece) for piece in text)
    assert sum(seen) <= 2**20


def test_a_ratio_beyond_the_limit_is_fine_in_a_small_file():
    assert len(inflated(gzip.compress(bytes(2**20)))) == 2**20


@pytest.mark.parametrize("limits", [{"max_vcf_bytes": 100_000}, {"max_members": 2}])
def test_grows_no_further_than_the_limits(limits):
    with pytest.raises(DecompressedTooLarge, match=r"at most 2 members|more than 100000 bytes"):
        inflated(bgzip(TEXT), **limits)


@given(st.binary(max_size=200))
def test_anything_behind_the_magic_is_text_or_refused(data):
    with pytest.raises((VcfRefused, UnsupportedMediaType)):
        inflated(b"\x1f\x8b" + data)
