"""What a run over shards does: pure data, the same on every machine and after every kill."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

SHARD_SEQUENCES = 4096
SHARD_PEOPLE = 512
SHARD_BYTES = 8 * 1024 * 1024


class Shard(NamedTuple):
    """A part of the input in whole records.

    Attributes:
        part: its own place among the shards, counted from 0.
        first_number: its first record's place in the input, counted from 1.
        records: how many it holds.
        start, end: where it lies in the plain text, in bytes; people lie nowhere in particular.
    """

    part: int
    first_number: int
    records: int
    start: int
    end: int


class Frozen(BaseModel):
    """Base of what a plan says: immutable, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Input(Frozen):
    """What is read.

    Attributes:
        size_bytes, sha256: of the input as it is, compressed or not.
        text_bytes: of its plain text.
        head: where in it the names of a table's columns stand, in bytes; empty for FASTA.
    """

    size_bytes: int
    sha256: str
    text_bytes: int
    head: tuple[int, int]


class Model(Frozen):
    """What predicts; `name` with its version."""

    name: str
    sha256: str


class Options(Frozen):
    """What else decides which bytes come out.

    Attributes:
        basecast: the version that made the plan.
        device: `auto`, `cpu` or `cuda`; the digits of a GPU are not those of a CPU.
        ending: of the output, which says its form.
        shard_records: the most that a shard holds.
        question: a digest of whatever else is asked.
    """

    basecast: str
    device: str
    ending: str
    shard_records: int
    question: str = ""


class Plan(Frozen):
    """A run over shards.

    Attributes:
        shards: they cover the records once and in order.
    """

    format: Literal[1] = 1
    input: Input
    model: Model
    options: Options
    shards: tuple[Shard, ...]

    @property
    def records(self) -> int:
        return sum(shard.records for shard in self.shards)

    def differences(self, other: Plan) -> list[str]:
        """In what two plans differ, in words; a plan is the same if, and only if, there is none."""
        same = {
            "another input": (self.input, self.shards) == (other.input, other.shards),
            "another model": self.model == other.model,
            "other options": self.options == other.options,
        }
        if not same["other options"]:
            same["another input"] = self.input == other.input  # its shards follow from the options
        return [what for what, is_same in same.items() if not is_same]


class Cutter:
    """Cuts records, as their ends come in, into shards.

    Args:
        start: where the first record begins, in bytes.
        shard_records: the most records of a shard; one that is larger than `shard_bytes` ends there too.
    """

    def __init__(self, start: int, shard_records: int, shard_bytes: int = SHARD_BYTES) -> None:
        self._most = (shard_records, shard_bytes)
        self._shard = Shard(0, 1, 0, start, start)

    def add(self, end: int) -> Iterator[Shard]:
        """One more record, which ends here; the shard that it fills, if it does."""
        self._shard = self._shard._replace(records=self._shard.records + 1, end=end)
        most_records, most_bytes = self._most
        if self._shard.records == most_records or end - self._shard.start >= most_bytes:
            yield from self.rest()

    def rest(self) -> Iterator[Shard]:
        """The shard that is not full yet, if there is one."""
        shard = self._shard
        if shard.records:
            yield shard
            self._shard = Shard(shard.part + 1, shard.first_number + shard.records, 0, shard.end, shard.end)
