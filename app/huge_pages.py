"""Memory that stays lies on huge pages, where the kernel has them: a model's weights are then found sooner.

Every run reads all weights, and has the address of each of their pages looked up.
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
PAGE_BYTES = 2 << 20  # where small pages have 64 KiB, huge ones have 512 MiB, of which most would lie idle
# Of a gigabyte half of the starts were slower than on small pages, by more than the others were quicker.
MOST_BYTES = 512 << 20
LEAST_RESIDENT = 0.75  # of a mapping: what is hardly used would become as large as it may
DECLINED = "nh"  # by whoever mapped it: an allocator, or glibc for a thread's stack
# address, permissions, offset, device, inode (0: of no file), name
MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) rw-p \S+ \S+ 0 *(\[heap\]|\[anon:(?!.*stack).*\])?")
KIB = 2**10


def settle_on_huge_pages(kernel: Path = KERNEL, mappings: Path = MAPPINGS) -> None:
    """Move this process's own memory to huge pages, unless the machine's owner has forbidden them.

    Nothing depends on it: where the kernel does not say what has to be known, or it is very much, all stays as it is.

    Args:
        kernel: the folder in which it tells of huge pages.
        mappings: the file in which it tells of this process's memory.
    """
    if sys.platform != "linux":
        return
    try:
        if _allows(kernel):
            _move(list(own_memory(mappings.read_text())))
    except (OSError, ValueError) as error:
        log.debug("memory stays on small pages", extra={"reason": str(error)})


def _allows(kernel: Path) -> bool:
    if int((kernel / "hpage_pmd_size").read_text()) != PAGE_BYTES or "[never]" in (kernel / "enabled").read_text():
        return False
    of_this_size = kernel / f"hugepages-{PAGE_BYTES // KIB}kB" / "enabled"  # since Linux 6.8
    return not of_this_size.exists() or "[never]" not in of_this_size.read_text()


def _move(memory: list[range]) -> None:
    if (size := sum(map(len, memory))) > MOST_BYTES:
        raise ValueError(f"it is {size >> 20} MiB, and at most {MOST_BYTES >> 20} are moved")
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    for part in memory:
        # Kernels before 6.1 do not know the second, and move what the first has marked by and by.
        madvise(part.start, len(part), MADV_HUGEPAGE)
        madvise(part.start, len(part), MADV_COLLAPSE)
    log.debug("memory was moved to huge pages", extra={"megabytes": size >> 20})


def own_memory(mappings: str) -> Iterator[range]:
    """Addresses of whole huge pages that belong to no file and are mostly in use.

    Args:
        mappings: as /proc/PID/smaps has them.
    """
    memory, resident_bytes = None, 0
    for line in mappings.splitlines():
        if found := MAPPING.fullmatch(line):
            memory = range(int(found[1], 16), int(found[2], 16))
        elif line.startswith("Rss:"):
            resident_bytes = int(line.split()[1]) * KIB
        elif line.startswith("VmFlags:") and memory is not None:
            if resident_bytes >= LEAST_RESIDENT * len(memory) and DECLINED not in line.split():
                yield from _whole_pages(memory)
            memory = None


def _whole_pages(memory: range) -> Iterator[range]:
    start, end = -(-memory.start // PAGE_BYTES) * PAGE_BYTES, memory.stop // PAGE_BYTES * PAGE_BYTES
    if start < end:
        yield range(start, end)
