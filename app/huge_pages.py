"""Memory that stays lies on huge pages, where the kernel has them: a model's weights are then found sooner.

Every run reads all weights, and has the address of each of their pages looked up. Of DNABERT-2's size they are 340 MB:
83,000 small pages, or 170 of 2 MiB.
"""

from __future__ import annotations

import ctypes
import logging
import re
import sys
from collections.abc import Iterator
from pathlib import Path

log = logging.getLogger(__name__)

KERNEL = Path("/sys/kernel/mm/transparent_hugepage")
MAPPINGS = Path("/proc/self/smaps")
# Of Linux's mman-common.h; Python's `mmap` has only the first, and only for memory that it mapped itself.
MADV_HUGEPAGE, MADV_COLLAPSE = 14, 25
LEAST_RESIDENT = 0.5  # of a mapping: a thread's stack, hardly used, would become as large as it may
# address, permissions, offset, device, inode (0: of no file), name
MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) rw-p \S+ \S+ 0 *(\[heap\]|\[anon:.*\])?")
KIB = 2**10


def settle_on_huge_pages(kernel: Path = KERNEL) -> None:
    """Move this process's own memory to huge pages, unless the machine's owner has forbidden them.

    Args:
        kernel: the folder in which it tells of them.
    """
    if sys.platform != "linux" or not kernel.exists() or "[never]" in (kernel / "enabled").read_text():
        return
    page_bytes = int((kernel / "hpage_pmd_size").read_text())
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    moved_bytes = 0
    for memory in own_memory(MAPPINGS.read_text(), page_bytes):
        # Kernels before 6.1 do not know the second, and move what the first has marked by and by.
        madvise(memory.start, len(memory), MADV_HUGEPAGE)
        if madvise(memory.start, len(memory), MADV_COLLAPSE) == 0:
            moved_bytes += len(memory)
    log.debug("memory lies on huge pages", extra={"megabytes": moved_bytes >> 20})


def own_memory(mappings: str, page_bytes: int) -> Iterator[range]:
    """Addresses of whole huge pages that belong to no file and are mostly in use.

    Args:
        mappings: as /proc/PID/smaps has them.
    """
    memory = None
    for line in mappings.splitlines():
        if found := MAPPING.fullmatch(line):
            memory = range(int(found[1], 16), int(found[2], 16))
        elif line.startswith("Rss:") and memory is not None:
            if int(line.split()[1]) * KIB >= LEAST_RESIDENT * len(memory):
                yield from _whole_pages(memory, page_bytes)
            memory = None


def _whole_pages(memory: range, page_bytes: int) -> Iterator[range]:
    start, end = -(-memory.start // page_bytes) * page_bytes, memory.stop // page_bytes * page_bytes
    if start < end:
        yield range(start, end)
