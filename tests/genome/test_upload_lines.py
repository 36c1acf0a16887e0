"""Text in pieces becomes lines."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import VcfRefused
from app.genome.upload.lines import lines_of
from tests.genome.vcfs import LIMITS, pieces


@given(st.lists(st.binary(max_size=9).map(lambda line: line.translate(None, b"\r\n\0"))), st.integers(1, 20))
def test_lines_do_not_depend_on_how_the_text_arrives(lines, size):
    text = b"".join(line + b"\n" for line in lines)
    assert list(lines_of(pieces(text, size), LIMITS)) == lines


@pytest.mark.parametrize("text", [b"a\nb\n", b"a\nb", b"a\r\nb\r\n", b"a\r\nb"])
def test_takes_either_line_end_and_none_at_the_end(text):
    assert list(lines_of([text], LIMITS)) == [b"a", b"b"]


@pytest.mark.parametrize("text", [b"abc\nabcde\n", b"abc\nabcde", b"abc\nabcdefgh" * 9])
@pytest.mark.parametrize("size", [1, 3, 100])
def test_refuses_a_line_beyond_the_limit(text, size):
    limits = replace(LIMITS, max_vcf_line_bytes=4)
    with pytest.raises(VcfRefused, match="Line 2: a line has at most 4 bytes") as error:
        list(lines_of(pieces(text, size), limits))
    assert error.value.problem_code == "vcf_too_long"


@pytest.mark.parametrize("text", [b"a\nb\0\n", b"a\n\0"])
def test_refuses_nul(text):
    with pytest.raises(VcfRefused, match="Line 2: a VCF is text") as error:
        list(lines_of([text], LIMITS))
    assert error.value.problem_code == "vcf_encoding"
