"""The garbage collector, spared what stays."""

from __future__ import annotations

import gc


def keep_what_is_there() -> None:
    """Look through nothing again that exists now: libraries and models stay until the process ends.

    To look through them all takes 80 ms, in which nobody is answered, and a busy process does it every few seconds.
    """
    gc.collect()
    gc.freeze()
