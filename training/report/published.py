"""Published figures, from `published.toml`: what others reported, and how far it compares."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from training.errors import ConfigError

PUBLISHED = Path(__file__).with_name("published.toml")


@dataclass(frozen=True)
class Published:
    """What a paper, a poster or a repository reports.

    Attributes:
        folder: of the data set in the data folder.
        system: what was measured.
        measured_on: data and split.
        figures: metric to the value as printed.
        source: where it is printed.
        comparable: what may be compared with it and what may not.
        target: part of the name of the target it was measured for; empty: all of the data set.
    """

    folder: str
    system: str
    measured_on: str
    figures: dict[str, str]
    source: str
    comparable: str
    target: str = ""


def read_published(path: Path = PUBLISHED) -> list[Published]:
    """Read the figures.

    Raises:
        ConfigError: an entry lacks a key or has one too many.
    """
    entries = tomllib.loads(path.read_text(encoding="utf-8"))["published"]
    try:
        return [Published(**entry) for entry in entries]
    except TypeError as error:
        raise ConfigError(f"{path.name}: {str(error).replace('Published.__init__() ', '')}") from None


def published_for(folder: str, targets: Sequence[str], entries: Sequence[Published]) -> list[Published]:
    """Those of a data set that were measured for one of the targets, or for all."""
    return [
        entry
        for entry in entries
        if entry.folder == folder and (not entry.target or any(entry.target in target.lower() for target in targets))
    ]
