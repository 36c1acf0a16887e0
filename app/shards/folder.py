"""The folder that a run over shards works in; what is in it under its own name is whole.

plan.json             what the run does
input                 the plain text of an input that cannot be read from any place in it
000000.tsv …          the table of each shard, in the output's form
000000.json …         what became of its records; written last, so with it the shard is done
lock                  held by the run that works here
"""

from __future__ import annotations

import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from app.errors import ShardError
from app.shards.plan import Plan, Shard

PLAN, INPUT, LOCK = "plan.json", "input", "lock"


class Refused(NamedTuple):
    """A record without a prediction, and why."""

    number: int
    id: str
    code: str
    detail: str


class Tally(BaseModel):
    """What became of a shard's records.

    Attributes:
        refused: in the order of the input.
        table_bytes: size of its table.
        place: the machine and process that computed it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    predicted: int
    refused: tuple[Refused, ...]
    table_bytes: int
    place: str


class WorkFolder:
    """Where the parts of a run are.

    Args:
        path: on storage that every machine of the run reaches under this path.
        ending: of the tables.
    """

    def __init__(self, path: Path, ending: str) -> None:
        self.path, self._ending = path, ending

    @property
    def input(self) -> Path:
        return self.path / INPUT

    def table(self, part: int) -> Path:
        """A shard's table."""
        return self.path / f"{part:06}{self._ending}"

    def write(self, shard: Shard, table: bytes, tally: Tally) -> None:
        """Lay down a shard, whole; one that is there already holds the same."""
        with explained_writing(self.path):
            place(self.table(shard.part), table)
            place(self._tally(shard.part), tally.model_dump_json().encode())

    def done(self, plan: Plan) -> frozenset[int]:
        """Which shards are whole."""
        there = {entry.name for entry in os.scandir(self.path)}
        names = ((shard.part, self.table(shard.part).name, self._tally(shard.part).name) for shard in plan.shards)
        return frozenset(part for part, table, tally in names if table in there and tally in there)

    def is_done(self, shard: Shard) -> bool:
        """Whether a shard is whole."""
        return self.table(shard.part).is_file() and self._tally(shard.part).is_file()

    def tally(self, shard: Shard) -> Tally:
        """What became of a shard that is done.

        Raises:
            ShardError: its files are damaged.
        """
        try:
            tally = Tally.model_validate_json(self._tally(shard.part).read_bytes())
            if self.table(shard.part).stat().st_size == tally.table_bytes:
                return tally
        except (OSError, ValidationError):
            pass
        self._tally(shard.part).unlink(missing_ok=True)
        raise ShardError(f"part {shard.part:06} in {self.path} was damaged; run the same again to make it anew")

    def plan(self) -> Plan | None:
        """The plan of the run that was begun here.

        Raises:
            ShardError: it cannot be read.
        """
        try:
            return Plan.model_validate_json((self.path / PLAN).read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError):
            raise ShardError(f"{self.path}/{PLAN} cannot be read; delete the folder to begin anew") from None

    def save_plan(self, plan: Plan) -> None:
        """Write down what the run does."""
        with explained_writing(self.path):
            place(self.path / PLAN, plan.model_dump_json().encode())

    def remove(self) -> None:
        """Delete everything."""
        shutil.rmtree(self.path, ignore_errors=True)

    def _tally(self, part: int) -> Path:
        return self.path / f"{part:06}.json"


@contextmanager
def open_work_folder(path: Path, ending: str) -> Iterator[WorkFolder]:
    """A folder that no other run works in meanwhile, made if it is not there.

    Raises:
        ShardError: another run works in it, it is used for something else, or it cannot be made.
    """
    folder = WorkFolder(path, ending)
    with explained_writing(path):
        path.mkdir(exist_ok=True)
        strange = {entry.name for entry in os.scandir(path) if not entry.name.startswith(".")} - {LOCK, INPUT}
        if strange and PLAN not in strange:
            raise ShardError(f"{path} holds something else than the parts of a run; name another folder")
        lock = (path / LOCK).open("wb")
    with lock:
        _hold(lock, path)
        yield folder


@contextmanager
def explained_writing(path: Path) -> Iterator[None]:
    """What keeps a file from being written, told as one clear line."""
    try:
        yield
    except OSError as error:
        raise ShardError(f"{path}: {error.strerror or error}") from None


def place(path: Path, content: bytes) -> None:
    """Write a file beside its place and rename it, so that it is there whole or not at all, whoever else writes it."""
    with placed(path) as file:
        file.write(content)


@contextmanager
def placed(path: Path) -> Iterator[IO[bytes]]:
    """The same for what is written bit by bit."""
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with beside.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _hold(lock: IO[bytes], path: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise ShardError(f"another run works in {path}; wait for it, or stop it") from None
