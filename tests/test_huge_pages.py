"""What of a process's memory is moved to pages of 2 MiB."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.huge_pages import KERNEL, own_memory, settle_on_huge_pages

MIB = 1 << 20
SCRIPT = """
import mmap
from app.huge_pages import settle_on_huge_pages

def huge_kib():
    lines = open("/proc/self/smaps_rollup").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("AnonHugePages:"))

weights, content = mmap.mmap(-1, 64 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS), bytes(range(256)) * (1 << 18)
weights.write(content)
before = huge_kib()
settle_on_huge_pages()
print(before, huge_kib(), weights[:] == content)
"""


def _mapping(start: int, end: int, resident_kib: int, rest: str = "rw-p 00000000 00:00 0", flags: str = "rd wr") -> str:
    return f"{start:x}-{end:x} {rest}\nSize: {(end - start) >> 10} kB\nRss: {resident_kib} kB\nVmFlags: {flags} \n"


def test_memory_is_moved_in_whole_pages() -> None:
    # from 1 MiB to 7.5 MiB: the pages that begin at 2 and 4 MiB
    assert list(own_memory(_mapping(MIB, 15 * MIB // 2, 6656))) == [range(2 * MIB, 6 * MIB)]
    assert list(own_memory(_mapping(MIB, 7 * MIB // 2, 2560))) == []


def test_what_is_hardly_used_stays_as_small_as_it_is() -> None:
    assert list(own_memory(_mapping(4 * MIB, 8 * MIB, 3072))) == [range(4 * MIB, 8 * MIB)]
    assert list(own_memory(_mapping(4 * MIB, 8 * MIB, 3068))) == []


def test_what_its_owner_wants_on_small_pages_stays_there() -> None:
    """As glibc does with the stacks of threads."""
    assert list(own_memory(_mapping(4 * MIB, 8 * MIB, 4096, flags="rd wr mr nh"))) == []


@pytest.mark.parametrize(
    ("kind", "moved"),
    [
        ("rw-p 00000000 00:00 0                          [heap]", True),
        ("rw-p 00000000 00:00 0                          [anon:weights]", True),
        ("rw-p 00000000 00:00 0                          [anon:thread stack]", False),
        ("rw-p 00000000 00:00 0                          [stack]", False),
        ("rw-p 00001000 fe:00 123                        /usr/lib/libonnxruntime.so", False),
        ("r--p 00000000 00:00 0 ", False),
        ("rw-s 00000000 00:01 1024                       /dev/zero (deleted)", False),
    ],
)
def test_only_the_process_s_own_memory_is_moved(kind: str, moved: bool) -> None:
    found = list(own_memory(_mapping(0, 2 * MIB, 2048, kind) + _mapping(4 * MIB, 6 * MIB, 2048)))
    assert found == [range(2 * MIB)] * moved + [range(4 * MIB, 6 * MIB)]


def _moves_at_once() -> bool:
    """Whether this kernel does, and leaves to who maps memory where it lies."""
    release = tuple(int(part) for part in os.uname().release.split(".")[:2] if part.isdigit())
    enabled = KERNEL / "enabled"
    return sys.platform == "linux" and release >= (6, 1) and enabled.exists() and "[madvise]" in enabled.read_text()


@pytest.mark.skipif(not _moves_at_once(), reason="a kernel that has no huge pages, or gives them unasked or later")
def test_the_memory_of_a_process_is_moved_and_keeps_its_contents() -> None:
    # in one of its own: this one may have more than is moved
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    before, after, kept = done.stdout.split()
    assert int(after) - int(before) >= 60 << 10  # KiB, in whole pages of what may begin anywhere
    assert kept == "True"


@pytest.mark.parametrize("missing", ["enabled", "hpage_pmd_size", "smaps"])
def test_a_kernel_that_says_nothing_is_no_obstacle(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, missing: str
) -> None:
    _allowing(tmp_path)
    (tmp_path / missing).unlink()
    assert _said(tmp_path, caplog) == ["memory stays on small pages"]


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("enabled", "always madvise [never]"),
        ("hugepages-2048kB/enabled", "always inherit madvise [never]"),
        ("hpage_pmd_size", str(512 * MIB)),
    ],
)
def test_nothing_is_moved_where_it_is_forbidden_or_pages_are_too_large(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, file: str, content: str
) -> None:
    _allowing(tmp_path)
    assert _said(tmp_path, caplog) == ["memory was moved to huge pages"]
    (tmp_path / file).write_text(content)
    assert _said(tmp_path, caplog) == []


def test_very_much_memory_stays_where_it_is(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _allowing(tmp_path)
    (tmp_path / "smaps").write_text(_mapping(0, 514 * MIB, 514 << 10))
    assert _said(tmp_path, caplog) == ["memory stays on small pages"]


def _allowing(kernel: Path) -> None:
    """The files of a kernel that allows it, in a process that has nothing to move."""
    (kernel / "hugepages-2048kB").mkdir()
    (kernel / "hugepages-2048kB" / "enabled").write_text("always [inherit] madvise never")
    (kernel / "enabled").write_text("always [madvise] never")
    (kernel / "hpage_pmd_size").write_text(str(2 * MIB))
    (kernel / "smaps").write_text("")


def _said(kernel: Path, caplog: pytest.LogCaptureFixture) -> list[str]:
    caplog.clear()
    with caplog.at_level(logging.DEBUG, logger="app.huge_pages"):
        settle_on_huge_pages(kernel, kernel / "smaps")
    return [record.message for record in caplog.records]
