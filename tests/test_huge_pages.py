"""What of a process's memory is moved to pages of 2 MiB."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from app.huge_pages import KERNEL, MAPPINGS, own_memory, settle_on_huge_pages

PAGE = 2 << 20


def _mapping(start: int, end: int, resident_kib: int, rest: str = "rw-p 00000000 00:00 0") -> str:
    return f"{start:x}-{end:x} {rest}\nSize: {(end - start) >> 10} kB\nRss: {resident_kib} kB\nPss: 0 kB\n"


def test_memory_is_moved_in_whole_pages() -> None:
    # from 1 MiB to 7.5 MiB: the pages that begin at 2 and 4 MiB
    assert list(own_memory(_mapping(1 << 20, 15 << 19, 6656), PAGE)) == [range(2 << 20, 6 << 20)]
    assert list(own_memory(_mapping(1 << 20, 7 << 19, 2560), PAGE)) == []


def test_what_is_hardly_used_stays_as_small_as_it_is() -> None:
    assert list(own_memory(_mapping(4 << 20, 8 << 20, 2048), PAGE)) == [range(4 << 20, 8 << 20)]
    assert list(own_memory(_mapping(4 << 20, 8 << 20, 2044), PAGE)) == []


@pytest.mark.parametrize(
    ("kind", "moved"),
    [
        ("rw-p 00000000 00:00 0                          [heap]", True),
        ("rw-p 00000000 00:00 0                          [anon:weights]", True),
        ("rw-p 00000000 00:00 0                          [stack]", False),
        ("rw-p 00001000 fe:00 123                        /usr/lib/libonnxruntime.so", False),
        ("r--p 00000000 00:00 0 ", False),
        ("rw-s 00000000 00:01 1024                       /dev/zero (deleted)", False),
    ],
)
def test_only_the_process_s_own_memory_is_moved(kind: str, moved: bool) -> None:
    found = list(own_memory(_mapping(0, 2 << 20, 2048, kind) + _mapping(4 << 20, 6 << 20, 2048), PAGE))
    assert found == [range(2 << 20)] * moved + [range(4 << 20, 6 << 20)]


@pytest.mark.skipif(
    not KERNEL.exists() or "[never]" in (KERNEL / "enabled").read_text(), reason="a kernel that gives no huge pages"
)
def test_the_memory_of_this_process_is_moved_and_keeps_its_contents() -> None:
    weights = np.arange(16 << 20, dtype=np.uint32)  # 64 MiB
    settle_on_huge_pages()
    assert _huge_kib() >= 32 << 10
    assert (weights == np.arange(len(weights))).all()


@pytest.mark.parametrize("forbidden", [True, False])
def test_nothing_is_moved_where_the_machine_s_owner_has_forbidden_it_or_the_kernel_has_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, forbidden: bool
) -> None:
    kernel = tmp_path / "transparent_hugepage"
    if forbidden:
        kernel.mkdir()
        (kernel / "enabled").write_text("always madvise [never]\n")
    with caplog.at_level(logging.DEBUG, logger="app.huge_pages"):
        settle_on_huge_pages(kernel)
    assert not caplog.records


def _huge_kib() -> int:
    lines = MAPPINGS.with_name("smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("AnonHugePages:"))
