"""Imported by each Python process that has this folder on PYTHONPATH, before anything else: what its world is like.

TOY_ROW_SECONDS: what each row of a batch costs in ONNX Runtime.
TOY_ONNX_ERROR: what ONNX Runtime raises for a batch of sequences of 13 bases.
TOY_CLOCK_SECONDS: how far wall clock and monotonic clock are ahead; the wall clock steps back by as much now and then.
TOY_FILE_BYTES: how large files may become.
"""

import os
import time

_sleep = time.sleep


def _onnx_runtime_that(row_seconds: float, error: str) -> None:
    import onnxruntime

    run = onnxruntime.InferenceSession.run

    def run_slowly(self, names, feed, *rest):
        rows = next(iter(feed.values()))
        _sleep(row_seconds * len(rows))
        if error and rows.shape[1] == 13:
            raise RuntimeError(error)
        return run(self, names, feed, *rest)

    onnxruntime.InferenceSession.run = run_slowly


def _clocks_ahead(seconds: float) -> None:
    wall, monotonic = time.time, time.monotonic
    time.monotonic = lambda: monotonic() + seconds
    time.time = lambda: wall() + (seconds if int(wall() * 4) % 2 else 0)


if "TOY_ROW_SECONDS" in os.environ or "TOY_ONNX_ERROR" in os.environ:
    _onnx_runtime_that(float(os.environ.get("TOY_ROW_SECONDS", "0")), os.environ.get("TOY_ONNX_ERROR", ""))
if "TOY_CLOCK_SECONDS" in os.environ:
    _clocks_ahead(float(os.environ["TOY_CLOCK_SECONDS"]))
if "TOY_FILE_BYTES" in os.environ:
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, 2 * (int(os.environ["TOY_FILE_BYTES"]),))
