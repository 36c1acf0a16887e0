"""A configuration as it stands in a file, which may take its rows from another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from training.config.document import Config
from training.errors import ConfigError
from training.reading import read_dataclass, read_toml

# A configuration that extends another would write into the other's runs, or boast of what the other tried.
OF_ONE_MODEL = frozenset({"name", "title", "card", "precision"})


def read_config(path: Path) -> Config:
    """Read a configuration, and what it takes from the one that it extends.

    Raises:
        ConfigError: a file is missing or not TOML, a key is unknown or missing, or a value is of the wrong kind.
    """
    return read_dataclass(Config, _read_extended(path), path.name)


def _read_extended(path: Path, seen: tuple[Path, ...] = ()) -> dict[str, Any]:
    """A file's document; one that extends another has the other's rows, and its words for them.

    Models are compared on the same rows: so [data] and [split] are taken over whole where they are not given, and
    [bundle] key by key, but for what is said of one model only. What is trained is never taken over.
    """
    document = read_toml(path)
    if "extends" not in document:
        return document
    name = document.pop("extends")
    if not isinstance(name, str) or path.resolve() in seen:
        raise ConfigError(f"{path.name}: extends: expected the name of another file that does not extend this one")
    other = _read_extended(path.parent / name, (*seen, path.resolve()))
    rows = {table: other[table] for table in ("data", "split") if table in other}
    words = {key: value for key, value in other.get("bundle", {}).items() if key not in OF_ONE_MODEL}
    return rows | document | {"bundle": words | document.get("bundle", {})}
