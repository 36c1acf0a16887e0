"""What is measured: models, loads and how long; at most an hour in all."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.bundle import GRAPH, TOKENIZER, read_bundle
from app.encoding import EncodedSequence, SequenceEncoder
from benchmarks.peers.servers import Item

SEQUENCES = 2048
LOG_NORMAL_MEAN, LOG_NORMAL_SIGMA = 5.5, 0.6  # of the natural logarithm of the bases: half are below 245


@dataclass(frozen=True)
class Load:
    """How requests come.

    Attributes:
        callers: of a closed loop; 0 for an open one.
        size: items of a request.
        share: of the best peer's capacity, for an open loop.
    """

    name: str
    callers: int
    size: int = 1
    share: float = 0.0


@dataclass(frozen=True)
class Workload:
    """A model and what is sent to it.

    Attributes:
        form: what requests carry, `text` or `ids`; ours carry text always.
        loads: in the order in which they are run.
    """

    name: str
    bundle: Path
    texts: tuple[str, ...]
    loads: tuple[Load, ...]
    form: str = "text"
    rounds: int = 3
    seconds: float = 2.5

    @property
    def graph(self) -> Path:
        return self.bundle / GRAPH

    @property
    def tokenizer(self) -> Path:
        return self.bundle / TOKENIZER

    def token_rows(self) -> list[list[int]]:
        """Token ids of each text."""
        bundle = read_bundle(self.bundle)
        encoded = SequenceEncoder(bundle.manifest, bundle.files).encode(self.texts)
        return [row.ids.tolist() for row in encoded if isinstance(row, EncodedSequence)]

    def items(self) -> list[Item]:
        """One for each text, as peers get it."""
        if self.form == "ids":
            return [{"input_ids": row} for row in self.token_rows()]
        return [{"sequence": text} for text in self.texts]

    def pad_id(self) -> int:
        """What fills short rows."""
        return read_bundle(self.bundle).manifest.input.pad_token_id or 0


ONE, EIGHT, MANY, CROWD = Load("1", 1), Load("8", 8), Load("32", 32), Load("128", 128)
LISTS = Load("8 x 32", 8, size=32)
OPEN = tuple(Load(f"open, {share:.0%}", 0, share=share) for share in (0.5, 0.8, 1.2))


def fixed(bases: int) -> tuple[str, ...]:
    """Random DNA of one length."""
    return _texts([bases] * SEQUENCES)


def uniform(shortest: int, longest: int) -> tuple[str, ...]:
    """Random DNA, every length as likely as any other."""
    chance = random.Random(7)
    return _texts([chance.randint(shortest, longest) for _ in range(SEQUENCES)])


def log_normal(shortest: int, longest: int) -> tuple[str, ...]:
    """Random DNA, many short and few long."""
    chance = random.Random(8)
    drawn = (round(chance.lognormvariate(LOG_NORMAL_MEAN, LOG_NORMAL_SIGMA)) for _ in range(SEQUENCES))
    return _texts([min(max(bases, shortest), longest) for bases in drawn])


def _texts(lengths: Sequence[int]) -> tuple[str, ...]:
    chance = random.Random(9)
    return tuple("".join(chance.choices("ACGT", k=bases)) for bases in lengths)


def one_core(shipped: Path, mixed: Path, large: Path) -> list[Workload]:
    """The server has one core and the load generator the other.

    Args:
        shipped: a compact bundle over tokens.
        mixed: DNABERT-2's architecture with 4 layers of 256.
        large: the same with DNABERT-2's 12 layers of 768.
    """
    long = uniform(60, 1000)
    return [
        Workload("compact, 110 bases", shipped, fixed(110), (ONE, EIGHT, MANY, CROWD, LISTS, *OPEN)),
        Workload("4 layers of 256, 60 to 1,000 bases", mixed, long, (ONE, MANY, LISTS, OPEN[1]), seconds=4),
        Workload("4 layers of 256, log-normal lengths", mixed, log_normal(60, 1000), (MANY,), seconds=4),
        Workload("4 layers of 256, token ids", mixed, long, (MANY,), form="ids", seconds=4),
        Workload("DNABERT-2's size, 60 to 1,000 bases", large, long[:128], (ONE, EIGHT), rounds=1, seconds=20),
    ]


def two_cores(shipped: Path, mixed: Path) -> list[Workload]:
    """Server and load generator share both cores."""
    return [
        Workload("compact, 110 bases", shipped, fixed(110), (ONE, MANY), rounds=2),
        Workload("4 layers of 256, 60 to 1,000 bases", mixed, uniform(60, 1000), (MANY,), rounds=2, seconds=4),
    ]
