"""A log line is one JSON object, and never holds what a caller sent."""

from __future__ import annotations

import json
import logging
import re
import warnings

import pytest

from app.errors import BundleError
from app.logs import Level, LineFormatter, _as_json, configure_logging, event_log
from tests.terminal import LogLines, Terminal, logging_as_it_was


def logged(error: Exception | None = None, name: str = "app", **extra: object) -> dict[str, object]:
    record = logging.makeLogRecord({"name": name, "levelname": "ERROR", "msg": "it failed\nACGT", **extra})
    if error is not None:
        record.exc_info = (type(error), error, error.__traceback__)
    return json.loads(LineFormatter(_as_json).format(record))


def test_a_log_line_has_time_level_event_and_fields() -> None:
    line = logged(rows=3)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", str(line.pop("ts")))
    assert line == {"level": "error", "event": "it failed", "logger": "app", "rows": 3}


def test_the_text_of_a_foreign_exception_is_not_logged() -> None:
    assert "GATTACA" not in json.dumps(logged(ValueError("GATTACA is no number")))
    assert logged(BundleError("graph: altered"))["detail"] == "graph: altered"


def test_of_a_library_s_message_only_its_template_is_logged() -> None:
    line = logged(name="uvicorn.error", msg="read %r from %s", args=("GATTACA", 7), peer="GATTACA")
    assert line["event"] == "read %r from %s"
    assert "GATTACA" not in json.dumps(line)


def test_of_a_warning_its_place_and_its_kind_are_logged(log_lines: LogLines) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn_explicit("a value was GATTACA", UserWarning, "encoder.py", 12)
    [line] = log_lines()
    assert (line["event"], line["at"], line["logger"]) == ("UserWarning", "encoder.py:12", "py.warnings")
    assert "GATTACA" not in json.dumps(line)


def test_an_event_is_one_line_whatever_is_in_it(log_lines: LogLines) -> None:
    event_log().info("request", route="/pre\ndict\u2028", rows=3)
    [line] = log_lines()
    assert list(line) == ["ts", "level", "event", "route", "rows"]
    assert (line["event"], line["route"]) == ("request", "/pre\ndict\u2028")


def test_what_json_cannot_hold_is_still_a_line(log_lines: LogLines) -> None:
    logging.getLogger("app").warning("a path", extra={"path": "half \udc80", "kind": int})
    assert log_lines()[0]["kind"] == "<class 'int'>"


@pytest.mark.parametrize(("level", "written"), [("debug", 3), ("info", 2), ("warning", 1), ("error", 0)])
def test_the_level_holds_for_events_and_for_other_lines(log_lines: LogLines, level: Level, written: int) -> None:
    log_lines.configure(level)
    for log in (event_log(), logging.getLogger("app.worker")):
        log.debug("one")
        log.info("two")
        log.warning("three")
        assert len(log_lines()) == written


def test_libraries_are_heard_from_warnings_on(log_lines: LogLines) -> None:
    logging.getLogger("uvicorn.error").info("a banner")
    logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    assert [line["event"] for line in log_lines()] == ["Invalid HTTP request received."]


def test_a_process_that_has_not_configured_logging_hears_no_events(capfd: pytest.CaptureFixture[str]) -> None:
    event_log().error("request")
    assert capfd.readouterr() == ("", "")


def test_before_a_terminal_lines_are_for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    with Terminal() as terminal, logging_as_it_was(), open(terminal.end, "w", closefd=False) as stderr:
        monkeypatch.setattr("sys.stderr", stderr)
        configure_logging()
        event_log().info("request", route="/predict\n\x1b[2J", status=200)
        assert re.search(r"\[info +\] request +route=/predict\?\?\[2J status=200", terminal.shown_until("status=200"))
