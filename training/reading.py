"""A TOML file becomes a dataclass: every key known, every value of its declared kind."""

from __future__ import annotations

import tomllib
import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from training.errors import ConfigError

Made = TypeVar("Made")
Kind = Any  # what a field is annotated with: a type, or a form of `typing` that is none
Value = Any  # whatever TOML can hold


def read_toml(path: Path) -> dict[str, Any]:
    """Parse a TOML file.

    Raises:
        ConfigError: the file is missing or not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None


def read_dataclass(kind: type[Made], table: Mapping[str, Any], where: str) -> Made:
    """Build a dataclass from a TOML table.

    Args:
        kind: the dataclass; its fields may be plain types, literals, tuples, optional or dataclasses themselves; of
            several dataclasses, the table's `kind` chooses one.
        table: key to value, as `tomllib` returns it.
        where: how messages name the table.

    Raises:
        ConfigError: a key is unknown or missing, or a value is of another kind.
    """
    known: dict[str, Field[Any]] = {entry.name: entry for entry in fields(cast("Any", kind))}
    if unknown := sorted(set(table) - set(known)):
        raise ConfigError(f"{where}: unknown key {unknown[0]}; known are {', '.join(sorted(known))}")
    if missing := [name for name, entry in known.items() if name not in table and _is_required(entry)]:
        raise ConfigError(f"{where}: {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing")
    hints = get_type_hints(kind)
    return kind(**{name: _read(hints[name], value, f"{where}: {name}") for name, value in table.items()})


def _is_required(entry: Field[Any]) -> bool:
    return entry.default is MISSING and entry.default_factory is MISSING


def _read(hint: Kind, value: Value, where: str) -> Value:
    origin: Kind = get_origin(hint)
    if origin in {Union, types.UnionType}:
        hint = _alternative([option for option in get_args(hint) if option is not type(None)], value, where)
    if is_dataclass(hint):
        return read_dataclass(cast("type[Any]", hint), _checked(value, dict, where), where)
    if origin is tuple:
        items = _checked(value, list, where)
        return tuple(_read(get_args(hint)[0], item, f"{where}[{index}]") for index, item in enumerate(items))
    if origin is Literal:
        return _chosen(get_args(hint), value, where)
    if hint is float and type(value) is int:
        return float(value)
    return _checked(value, hint, where)


def _alternative(options: list[Kind], value: Value, where: str) -> Kind:
    """The only option, or among several dataclasses the one whose `kind` the table names."""
    if len(options) == 1:
        return options[0]
    kinds = {get_args(get_type_hints(option)["kind"])[0]: option for option in options}
    kind = _checked(value, dict, where).get("kind")
    return kinds[_chosen(tuple(kinds), kind, f"{where}: kind")]


def _chosen(options: tuple[Value, ...], value: Value, where: str) -> Value:
    if value not in options:
        raise ConfigError(f"{where}: {value!r} is none of {', '.join(map(str, options))}")
    return value


def _checked(value: Value, kind: type, where: str) -> Value:
    # `type`, not `isinstance`: to Python, and not to whoever wrote the file, true is an integer.
    if type(value) is not kind:
        raise ConfigError(f"{where}: expected {_NAMES[kind]}, found {value!r}")
    return value


_NAMES: dict[type, str] = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dict: "a table",
    list: "a list",
}
