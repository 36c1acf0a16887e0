"""A run names the code that made it, with the commit where there is one."""

from importlib.metadata import version

import pytest

from training.code_version import code_version


def test_the_version_of_the_package_comes_first() -> None:
    assert code_version().startswith(version("basecast"))


def test_without_git_the_package_says_what_it_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")

    assert code_version() == version("basecast")
