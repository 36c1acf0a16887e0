"""The file of API keys: TOML with one `[[keys]]` table each, readable by its owner alone."""

from __future__ import annotations

import json
import os
import stat
import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from app.access.keys import MAX_LIVE_KEYS, ApiKey, crowded_clients
from app.errors import KeyFileError

MODES = (0o600, 0o400)
# What root hands to one group, as Kubernetes does with a secret for a pod that is not root.
MODE_OF_ROOT = 0o440
MAX_FILE_BYTES = 4 * 1024 * 1024


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    keys: tuple[ApiKey, ...] = ()


def read_keys(path: Path) -> tuple[ApiKey, ...]:
    """The keys of a file.

    Raises:
        KeyFileError: others may read it, or it holds something else than keys; the message never shows its content.
    """
    text = _read_private(path)
    try:
        keys = _Document.model_validate(tomllib.loads(text)).keys
    except tomllib.TOMLDecodeError as error:
        raise KeyFileError(f"{path} is not TOML: {error}") from None
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, fault["loc"]))
        raise KeyFileError(f"{path}: {place}: {fault['msg']}") from None
    _check(path, keys)
    return keys


def write_keys(path: Path, keys: Iterable[ApiKey]) -> None:
    """Put a file with these keys in the place of the one that is there; a reader sees the old or the new one.

    Raises:
        KeyFileError: a client would have too many live keys, or the folder cannot be written.
    """
    kept = tuple(keys)
    _check(path, kept)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write("\n".join(map(_toml, kept)))
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise KeyFileError(f"cannot write {path}: {error.strerror}") from None


def _read_private(path: Path) -> str:
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            mode = stat.S_IMODE(found.st_mode)
            if not stat.S_ISREG(found.st_mode) or not _is_private(mode, found.st_uid):
                raise KeyFileError(f"{path} has mode {mode:04o}; others must not read it: chmod 600 {path}")
            return file.read(MAX_FILE_BYTES).decode()
    except OSError as error:
        raise KeyFileError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise KeyFileError(f"{path} is not UTF-8") from None


def _is_private(mode: int, owner: int) -> bool:
    return mode in MODES or (mode == MODE_OF_ROOT and owner == 0)


def _check(path: Path, keys: Sequence[ApiKey]) -> None:
    twice = [key_id for key_id, count in Counter(key.id for key in keys).items() if count > 1]
    if twice:
        raise KeyFileError(f"{path}: key {twice[0]} is there twice; keep one of them")
    if crowded := crowded_clients(keys):
        raise KeyFileError(
            f"{path}: {crowded[0]} has more than {MAX_LIVE_KEYS} live keys; revoke one with `basecast keys revoke`"
        )


def _toml(key: ApiKey) -> str:
    fields = key.model_dump(mode="python", exclude_none=True)
    return "[[keys]]\n" + "".join(f"{name} = {_value(value)}\n" for name, value in fields.items())


def _value(value: Any) -> str:  # noqa: ANN401 - of any field
    if isinstance(value, frozenset):
        return json.dumps(sorted(value))
    return json.dumps(value) if isinstance(value, str | int) else str(value.isoformat())
