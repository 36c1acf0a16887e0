"""The configuration of a model of people's own sequences: one TOML file, told apart by its `[segments]`."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from training.baselines.elastic_net import ElasticNetConfig
from training.errors import ConfigError
from training.people.config import PeopleData, PeopleFolds, PeopleWords
from training.reading import read_dataclass, read_toml

TABLE = "segments"

Regime = Literal["reference only", "people only", "reference then people"]
REGIMES: tuple[Regime, ...] = ("reference only", "people only", "reference then people")


@dataclass(frozen=True)
class PretrainingConfig:
    """A compact Nucleotide Transformer v2, made here where no published one is given: the `[pretraining]` table."""

    width: int = 64
    layers: int = 3
    heads: int = 4
    inner_width: int = 128
    steps: int = 1000
    batch: int = 32
    learning_rate: float = 0.002
    masking_rate: float = 0.15
    held_out_bases: int = 200_000
    """The end of the reference, which is not learnt from; perplexity is measured there."""

    def __post_init__(self) -> None:
        if min(self.width, self.layers, self.heads, self.inner_width) < 1 or self.width % self.heads:
            raise ConfigError("pretraining: every size must be above 0, and heads must divide width")
        if self.steps < 1 or not 0 < self.masking_rate < 1:
            raise ConfigError("pretraining: steps must be at least 1 and masking_rate in (0, 1)")


@dataclass(frozen=True)
class SegmentsConfig:
    """How a window around a gene's start is cut: the `[segments]` table."""

    count: int
    bases: int
    """Of each; count times bases is the window."""

    strand_specific: bool = True
    """Read in the direction of the gene, so that what lies before its start comes first."""

    def __post_init__(self) -> None:
        if min(self.count, self.bases) < 1 or self.count % 2:
            raise ConfigError("segments: count must be even, so that the gene's start is in the middle, and bases >= 1")

    @property
    def side_bases(self) -> int:
        """Of the window on either side of the gene's start."""
        return self.count * self.bases // 2


@dataclass(frozen=True)
class HeadConfig:
    """The transformer over segments: the `[head]` table."""

    width: int = 32
    layers: int = 1
    heads: int = 4
    inner_width: int = 64
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if min(self.width, self.layers, self.heads, self.inner_width) < 1 or self.width % self.heads:
            raise ConfigError("head: every size must be above 0, and heads must divide width")


@dataclass(frozen=True)
class PersonalFit:
    """How the head is fitted: the `[fit]` table."""

    regime: Regime = "reference then people"
    epochs: int = 20
    """At most; people of the fold that follows the tested one say which is best."""

    patience: int = 4
    """Epochs without a better one after which it ends."""

    average_decay: float = 0.99
    """Of the moving average of the weights, per step, which is what is measured and kept."""

    batch: int = 100
    """About so many people of one gene a step."""

    reference_epochs: int = 30
    learning_rate: float = 0.002
    readout_learning_rate: float = 0.002
    weight_decay: float = 0.1
    """Of the readout that each segment of each gene has of its own."""

    pairwise_weight: float = 0.3
    """Of the differences between people in the loss."""

    huber_delta: float = 1.0

    def __post_init__(self) -> None:
        if min(self.epochs, self.reference_epochs) < 1 or min(self.learning_rate, self.readout_learning_rate) <= 0:
            raise ConfigError("fit: epochs must be at least 1 and learning rates above 0")


@dataclass(frozen=True)
class PersonalConfig:
    """Everything that decides what a personal bundle becomes.

    Attributes:
        checkpoint: of the backbone, a folder or Hub id; empty for the one that `pretrain` makes.
        elastic_net: what stands beside on the same folds.
        seed: of weights, dropout and shuffles.
    """

    bundle: PeopleWords
    data: PeopleData
    segments: SegmentsConfig
    folds: PeopleFolds = field(default_factory=PeopleFolds)
    pretraining: PretrainingConfig = field(default_factory=PretrainingConfig)
    head: HeadConfig = field(default_factory=HeadConfig)
    fit: PersonalFit = field(default_factory=PersonalFit)
    checkpoint: str = ""
    elastic_net: ElasticNetConfig = field(default_factory=ElasticNetConfig)
    seed: int = 0

    def __post_init__(self) -> None:
        if self.data.source != "geuvadis" or self.data.expression != "normalised":
            raise ConfigError(
                "data: a personal model reads people's sequences, so it needs their reference: source geuvadis, "
                "with the expression normalised; eqtl_catalogue has none"
            )

    @property
    def split_in_words(self) -> str:
        """How people are held out, in the words of manifest and model card."""
        return f"{self.folds.count}-fold cross-validation across people, the next fold says when to stop"

    def as_dict(self) -> dict[str, Any]:
        """The whole configuration, defaults included."""
        return asdict(self)

    def decisive(self) -> dict[str, Any]:
        """What decides the weights: all of it but the words."""
        return {name: value for name, value in self.as_dict().items() if name not in {"bundle", "elastic_net"}}

    def in_regime(self, regime: Regime) -> PersonalConfig:
        """The same, fitted otherwise."""
        return replace(self, fit=replace(self.fit, regime=regime))


def is_personal(path: Path) -> bool:
    """Whether a configuration is of a personal model; other kinds and unreadable files are not."""
    try:
        return TABLE in read_toml(path)
    except ConfigError:
        return False


def read_personal_config(path: Path) -> PersonalConfig:
    """Read a configuration.

    Raises:
        ConfigError: the file is missing or not TOML, a key is unknown or missing, or a value is of the wrong kind.
    """
    return read_dataclass(PersonalConfig, read_toml(path), path.name)
