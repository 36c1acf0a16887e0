"""multipart/form-data, read as a stream whatever pieces it comes in."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.api.multipart import MAX_HEAD_BYTES, MultipartReader, boundary_of
from app.errors import MalformedRequest, UnsupportedMediaType

BOUNDARY = b"xyz"


def part(name: str, content: bytes, more: str = "") -> bytes:
    return f'--xyz\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + content + b"\r\n"


def body(*parts: bytes, end: bytes = b"--xyz--\r\n") -> bytes:
    return b"".join(parts) + end


async def pieces(content: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def read(content: bytes, *names: str, size: int = 7) -> list[bytes]:
    reader = MultipartReader(pieces(content, size), BOUNDARY)
    found = []
    for name in names:
        await reader.expect(name)
        found.append(b"".join([chunk async for chunk in reader.content()]))
    await reader.expect_end()
    return found


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=3), st.integers(1, 80))
async def test_whatever_the_pieces_the_parts_are_the_same(contents: list[bytes], size: int) -> None:
    assume(not any(b"--xyz" in content for content in contents))
    names = [f"part{number}" for number in range(len(contents))]
    sent = body(*(part(name, content) for name, content in zip(names, contents, strict=True)))
    assert await read(sent, *names, size=size) == contents


async def test_what_looks_like_a_boundary_is_content() -> None:
    content = b"\r\n--xy\r\n--\r\nxyz--xyz"
    assert await read(body(part("a", content)), "a", size=3) == [content]


async def test_the_last_line_end_may_lack() -> None:
    assert await read(body(part("a", b"1"), end=b"--xyz--"), "a") == [b"1"]


async def test_a_file_name_is_read_over() -> None:
    assert await read(body(part("a", b"1", '; filename="name=b.vcf"')), "a") == [b"1"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no multipart",
        body(),
        body(part("b", b"1")),
        body(part("b", b"1"), part("a", b"1")),
        body(part("a", b"1"), part("b", b"1")),
        body(part("a", b"1"), end=b""),
        body(part("a", b"1"), end=b"--xyz"),
        body(part("a", b"1"), end=b"--xyz-+\r\n"),
        body(part("a", b"1"), end=b"--xyz--\r\nmore"),
        b"preamble\r\n" + body(part("a", b"1")),
        body(part("a", b"1")).replace(b"form-data", b"attachment"),
        body(part("a", b"1", "; x=" + "y" * MAX_HEAD_BYTES)),
        body(part("a", b"1")).replace(b"Content-Disposition", b"Content-Something"),
    ],
)
async def test_everything_else_is_malformed(content: bytes) -> None:
    with pytest.raises(MalformedRequest):
        await read(content, "a")


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("multipart/form-data; boundary=xyz", b"xyz"),
        ('multipart/form-data; boundary="a b"', b"a b"),
        ("multipart/form-data; charset=utf-8; boundary=xyz;more=1", b"xyz"),
    ],
)
def test_the_boundary_is_the_content_type_s(content_type: str, expected: bytes) -> None:
    assert boundary_of(content_type) == expected


@pytest.mark.parametrize("parameter", ["", "boundary=", 'boundary=""', f"boundary={'x' * 71}", "boundary=\u00e9"])
def test_a_boundary_that_cannot_be_is_refused(parameter: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        boundary_of(f"multipart/form-data; {parameter}")
