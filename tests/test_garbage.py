"""What is there when a process begins to serve is never looked through by the garbage collector again."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import gc
from app.garbage import keep_what_is_there
kept = [[] for _ in range(1000)]
keep_what_is_there()
print(gc.get_freeze_count() >= 1000, sum(it is kept for it in gc.get_objects()))
"""


def test_what_is_there_is_kept_out_of_collections() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout == "True 0\n"
