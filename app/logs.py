"""Logs: one JSON object a line on stderr, for machines to read; before a terminal a form for people.

What happens often, requests and batches, is written by `event_log()`, one system call a line. Everything else, ours
or a library's, comes through the standard library's `logging` and leaves in the same form.

A line never holds what a caller sent. Since an exception's text may, it is written only for errors whose text is
known not to: ours, and ONNX Runtime's. Of a library's message only the template is written, without its arguments.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal, cast

import structlog
from pydantic_core import to_json
from structlog.dev import ConsoleRenderer
from structlog.typing import FilteringBoundLogger

from app.errors import BasecastError

Level = Literal["debug", "info", "warning", "error"]
Form = Literal["auto", "json", "text"]
Line = dict[str, Any]
Render = Callable[[Line], bytes]

STANDARD_FIELDS = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName", "color_message"}
OURS = "app"
WARNINGS = "py.warnings"


def configure_logging(level: Level = "info", form: Form = "auto") -> None:
    """Send every log line of this process to stderr.

    Args:
        level: from which on lines of ours are written; libraries have their say from warnings on.
        form: `json`, `text`, or `auto`, which is `text` before a terminal.
    """
    least = logging.getLevelNamesMapping()[level.upper()]
    render = _as_text() if form == "text" or (form == "auto" and sys.stderr.isatty()) else _as_json
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter(render))
    logging.basicConfig(level=max(least, logging.WARNING), handlers=[handler], force=True)
    logging.getLogger(OURS).setLevel(least)
    logging.captureWarnings(True)
    structlog.configure(
        processors=[lambda _logger, level, fields: render(_line(level, dict(fields)))],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
    )


def event_log() -> FilteringBoundLogger:
    """The logger of what happens often; silent until logging is configured, as a library should be."""
    if structlog.is_configured():
        return cast("FilteringBoundLogger", structlog.get_logger().bind())
    silent = structlog.make_filtering_bound_logger(logging.CRITICAL)
    return cast("FilteringBoundLogger", structlog.wrap_logger(None, wrapper_class=silent).bind())


class LineFormatter(logging.Formatter):
    """`ts`, `level`, `event`, `logger`, then the fields given as `extra`, then what is known of an exception."""

    def __init__(self, render: Render) -> None:
        super().__init__()
        self._render = render

    def format(self, record: logging.LogRecord) -> str:
        fields = {"logger": record.name} | _told(record)
        if record.exc_info and record.exc_info[1] is not None:
            fields |= _exception(record.exc_info[1])
        return self._render(_line(record.levelname.lower(), fields)).decode()


def _line(level: str, fields: Line) -> Line:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return {"ts": now, "level": level, "event": fields.pop("event"), **fields}


def _told(record: logging.LogRecord) -> Line:
    """What a record says that no caller can have written."""
    if record.name == WARNINGS:  # formatted as `path:line: category: text`, and the text may quote a value
        place, category, *_ = [*record.getMessage().split(": ", 2), ""]
        return {"event": category, "at": place}
    if record.name != OURS and not record.name.startswith(f"{OURS}."):
        return {"event": str(record.msg).partition("\n")[0]}
    extra = {name: value for name, value in record.__dict__.items() if name not in STANDARD_FIELDS}
    return {"event": record.getMessage().partition("\n")[0]} | extra


def _exception(error: BaseException) -> Line:
    frames = traceback.extract_tb(error.__traceback__)
    fields: Line = {
        "error": type(error).__name__,
        "trace": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    }
    if isinstance(error, BasecastError) or type(error).__module__.startswith("onnxruntime"):
        fields["detail"] = str(error)
    return fields


def _as_json(line: Line) -> bytes:
    try:
        return to_json(line, fallback=str)  # four times as fast as the standard library's
    except ValueError:  # it takes no half of a surrogate pair, which a path can hold
        return json.dumps(line, default=str).encode()


def _as_text() -> Render:
    console = ConsoleRenderer(colors=sys.stderr.isatty(), sort_keys=False, timestamp_key="ts")

    def render(line: Line) -> bytes:
        harmless = {name: _printable(value) if isinstance(value, str) else value for name, value in line.items()}
        return console(None, line["level"], harmless).encode()

    return render


def _printable(text: str) -> str:
    """Without what would move a terminal's cursor or end its line."""
    return "".join(character if character.isprintable() else "?" for character in text)
