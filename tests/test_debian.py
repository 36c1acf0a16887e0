"""Programs come from PATH, else from what was fetched; without them a test is skipped, or fails if all is needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import debian


@pytest.fixture(autouse=True)
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "FOLDER", tmp_path / "debian")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("REQUIRE_DATA", raising=False)


def _put(program: Path) -> str:
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return str(program)


def test_a_program_on_path_comes_before_one_that_was_fetched(tmp_path: Path) -> None:
    fetched = _put(tmp_path / "debian" / debian.OWN / "prometheus" / "usr" / "bin" / "promtool")
    assert debian.require("promtool") == fetched
    installed = _put(tmp_path / "bin" / "promtool")
    assert debian.require("promtool") == installed


def test_a_program_of_another_release_is_never_the_one_on_path(tmp_path: Path) -> None:
    _put(tmp_path / "bin" / "promtool")
    assert debian.find("promtool", debian.NEWER) is None
    fetched = _put(tmp_path / "debian" / debian.NEWER / "promtool" / "usr" / "bin" / "promtool")
    assert debian.require("promtool", debian.NEWER) == fetched


def test_without_it_a_test_is_skipped() -> None:
    with pytest.raises(pytest.skip.Exception, match="needs promtool: install Debian's package prometheus"):
        debian.require("promtool")


def test_where_everything_is_required_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUIRE_DATA", "1")
    with pytest.raises(pytest.fail.Exception, match="REQUIRE_DATA is set"):
        debian.require("promtool")


def test_what_a_release_in_the_making_lacks_is_skipped_even_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUIRE_DATA", "1")
    with pytest.raises(pytest.skip.Exception, match=f"package promtool of {debian.NEWER}"):
        debian.require("promtool", debian.NEWER)


def test_a_machine_without_apt_is_told_what_is_skipped(capsys: pytest.CaptureFixture[str]) -> None:
    debian.main()
    assert "prometheus, prometheus-redis-exporter cannot be fetched, so tests are skipped" in capsys.readouterr().err
