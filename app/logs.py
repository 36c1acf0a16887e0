"""Logs: one JSON object a line on stderr, for machines to read.

A line never holds what a caller sent. Since an exception's text may, it is written only for errors whose text is
known not to: ours, and ONNX Runtime's.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

from app.errors import BasecastError

STANDARD_FIELDS = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName", "color_message"}
QUIET_LOGGERS = ("uvicorn.error", "uvicorn.access")


class JsonFormatter(logging.Formatter):
    """`ts`, `level`, `event`, `logger`, then the fields given as `extra`, then what is known of an exception."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage().partition("\n")[0],
            "logger": record.name,
        }
        line |= {name: value for name, value in record.__dict__.items() if name not in STANDARD_FIELDS}
        if record.exc_info and record.exc_info[1] is not None:
            line |= _exception(record.exc_info[1])
        return json.dumps(line, default=str, ensure_ascii=False)


def configure_logging(level: str = "INFO") -> None:
    """Send every log line of this process to stderr as JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(True)
    for name in QUIET_LOGGERS:  # what they say at INFO, the banner or a line of ours says better
        logging.getLogger(name).setLevel(logging.WARNING)


def _exception(error: BaseException) -> dict[str, Any]:
    frames = traceback.extract_tb(error.__traceback__)
    fields: dict[str, Any] = {
        "error": type(error).__name__,
        "trace": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    }
    if isinstance(error, BasecastError) or type(error).__module__.startswith("onnxruntime"):
        fields["detail"] = str(error)
    return fields
