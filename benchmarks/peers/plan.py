"""What is measured: models, loads and how long; three quarters of an hour in all."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from app.bundle import GRAPH, TOKENIZER, read_bundle
from app.encoding import EncodedSequence, SequenceEncoder
from benchmarks.yardstick import sample

LOG_NORMAL_MEAN, LOG_NORMAL_SIGMA = 5.5, 0.6  # of the natural logarithm of the bases: half are below 245
# More than a load has in flight, so that no server may answer two of them by one computation.
SEQUENCES = 512
# In which a shared machine changes its pace by little.
SLICE_SECONDS = 2.0
COMPACT, MIDDLE, LARGE = "The shipped compact model", "4 layers of 256", "DNABERT-2's size, 12 layers of 768"


@dataclass(frozen=True)
class Mixture:
    """Sequences to send, in this order, over and over.

    Attributes:
        name: their lengths, in words.
        passes: how often bare ONNX Runtime computes all of them in a round.
    """

    name: str
    texts: tuple[str, ...]
    passes: int = 1


@dataclass(frozen=True)
class Load:
    """How requests come.

    Attributes:
        callers: of a closed loop; 0 for an open one.
        size: items of a request.
        share: of the best peer's capacity, for an open loop.
        form: what requests carry; ours carry text always.
        most: requests of a closed loop, so that every server answers the same ones; None: until the time is up.
        rounds: how many; None for as many as the workload has.
    """

    mixture: Mixture
    callers: int = 0
    size: int = 1
    share: float = 0.0
    form: Literal["text", "ids"] = "text"
    seconds: float = 2.0
    most: int | None = None
    rounds: int | None = None

    @property
    def name(self) -> str:
        """Unique within a workload."""
        carried = f"lists of {self.size}" if self.size > 1 else {"text": "text", "ids": "token ids"}[self.form]
        kind = f"{self.callers} caller{'s' * (self.callers > 1)}" if self.callers else f"open loop at {self.share:.0%}"
        return f"{self.mixture.name}, {carried}, {kind}"

    def slices(self) -> list[tuple[float, int | None]]:
        """(seconds, most requests) of each part between two readings of the machine's pace."""
        count = max(1, min(round(self.seconds / SLICE_SECONDS), self.most or SEQUENCES))
        if self.most is None:
            return [(self.seconds / count, None)] * count
        return [(self.seconds / count, self.most // count + (part < self.most % count)) for part in range(count)]


@dataclass(frozen=True)
class Workload:
    """A model and what is sent to it.

    Attributes:
        loads: in the order in which they are run.
        yardstick_sequences: by how many the machine's pace is read; few enough to take a quarter of a second.
    """

    name: str
    bundle: Path
    loads: tuple[Load, ...]
    rounds: int = 3
    yardstick_sequences: int = 16

    @property
    def graph(self) -> Path:
        return self.bundle / GRAPH

    @property
    def tokenizer(self) -> Path:
        return self.bundle / TOKENIZER

    def pad_id(self) -> int:
        """What fills short rows."""
        return read_bundle(self.bundle).manifest.input.pad_token_id or 0

    @property
    def yardstick(self) -> list[str]:
        """By which the machine's pace is read."""
        return sample(self.loads[0].mixture.texts, self.yardstick_sequences)

    def mixtures(self) -> list[Mixture]:
        """Each once."""
        return list({load.mixture.name: load.mixture for load in self.loads}.values())

    def token_rows(self, mixture: Mixture) -> list[list[int]]:
        """Token ids of each text."""
        bundle = read_bundle(self.bundle)
        encoded = SequenceEncoder(bundle.manifest, bundle.files).encode(mixture.texts)
        return [row.ids.tolist() for row in encoded if isinstance(row, EncodedSequence)]


def fixed(bases: int) -> Mixture:
    """Random DNA of one length."""
    return Mixture(f"{bases} bases", _texts([bases] * SEQUENCES), passes=3)


def uniform(shortest: int, longest: int, count: int = SEQUENCES) -> Mixture:
    """Random DNA, every length as likely as any other."""
    chance = random.Random(7)
    return Mixture(
        f"{shortest} to {longest:,} bases", _texts([chance.randint(shortest, longest) for _ in range(count)])
    )


def log_normal(shortest: int, longest: int) -> Mixture:
    """Random DNA, many short and few long."""
    chance = random.Random(8)
    drawn = (round(chance.lognormvariate(LOG_NORMAL_MEAN, LOG_NORMAL_SIGMA)) for _ in range(SEQUENCES))
    return Mixture("log-normal lengths", _texts([min(max(bases, shortest), longest) for bases in drawn]))


def _texts(lengths: Sequence[int]) -> tuple[str, ...]:
    chance = random.Random(9)
    return tuple("".join(chance.choices("ACGT", k=bases)) for bases in lengths)


def compact(shipped: Path) -> Workload:
    """A compact bundle over tokens, where the server's own work shows most."""
    short = fixed(110)
    closed = [Load(short, callers, seconds=1.5, rounds=rounds) for callers, rounds in ((8, 1), (32, None), (128, None))]
    opened = [Load(short, share=share, seconds=4, rounds=rounds) for share, rounds in ((0.8, None), (0.5, 1), (1.2, 1))]
    lists = Load(short, 8, size=32)
    return Workload(COMPACT, shipped, (Load(short, 1, seconds=8, most=SEQUENCES), *closed, lists, *opened))


def middle(bundle: Path) -> Workload:
    """Lengths as users' sequences have them, where packing shows."""
    mixed = uniform(60, 1000)
    loads = (
        Load(mixed, 1, seconds=8, most=192),
        Load(mixed, 32, seconds=4),
        Load(log_normal(60, 1000), 32, seconds=3),
        Load(mixed, 32, form="ids", seconds=3, rounds=1),
        Load(mixed, 8, size=32, seconds=3, rounds=1),
        Load(mixed, share=0.8, seconds=6),
    )
    return Workload(MIDDLE, bundle, loads)


def large(bundle: Path) -> Workload:
    """DNABERT-2's size, where the model's own work is nearly all; few sequences, so that every server answers most."""
    mixed = uniform(60, 1000, count=48)
    loads = (Load(mixed, 1, seconds=20, most=24), Load(mixed, 8, seconds=9))
    return Workload(LARGE, bundle, loads, yardstick_sequences=1)


def two_cores(shipped: Path, mixed: Path) -> list[Workload]:
    """Server and load generator share both cores."""
    short, long = fixed(110), uniform(60, 1000)
    return [
        Workload(COMPACT, shipped, (Load(short, 1, seconds=4, most=SEQUENCES), Load(short, 32, seconds=1.5)), rounds=1),
        Workload(MIDDLE, mixed, (Load(long, 32, seconds=3),), rounds=2),
    ]
