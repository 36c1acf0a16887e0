"""A log line is one JSON object, and never holds what a caller sent."""

from __future__ import annotations

import json
import logging
import re

from app.errors import BundleError
from app.logs import JsonFormatter


def logged(error: Exception | None = None, **extra: object) -> dict[str, object]:
    record = logging.makeLogRecord({"name": "app", "levelname": "ERROR", "msg": "it failed\nACGT", **extra})
    if error is not None:
        record.exc_info = (type(error), error, error.__traceback__)
    return json.loads(JsonFormatter().format(record))


def test_a_log_line_has_time_level_event_and_fields() -> None:
    line = logged(rows=3)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", str(line.pop("ts")))
    assert line == {"level": "error", "event": "it failed", "logger": "app", "rows": 3}


def test_the_text_of_a_foreign_exception_is_not_logged() -> None:
    assert "GATTACA" not in json.dumps(logged(ValueError("GATTACA is no number")))
    assert logged(BundleError("graph: altered"))["detail"] == "graph: altered"
