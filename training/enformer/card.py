"""What an Enformer bundle's manifest needs and a folder of weights cannot say: `card.toml`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from training.backbones.relative_positions import GammaPeak
from training.config import BundleConfig
from training.datasets.table import Quantity
from training.errors import ConfigError
from training.reading import read_dataclass, read_toml


@dataclass(frozen=True, kw_only=True)
class TrackTarget(Quantity):
    """A target, and the tracks whose mean it is.

    Its `scale` and `pseudocount` say what is answered: of `log2` and 1, the logarithm of the mean and 1 more.
    """

    tracks: tuple[int, ...]
    """Rows of the organism's list of tracks, from 0."""

    standard_deviation: float = 1.0
    """How far the answers for genes spread, in the target's unit; tolerances are counted in it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.tracks or min(self.tracks) < 0 or len(set(self.tracks)) < len(self.tracks):
            raise ConfigError(f"targets: {self.name}: tracks must be one number or more, from 0, each once")
        if self.scale == "other":
            raise ConfigError(f"targets: {self.name}: scale must be linear, log2, log10 or ln; tracks are counts")
        if not 0 <= self.pseudocount < math.inf or (self.scale != "linear" and self.pseudocount == 0):
            raise ConfigError(f"targets: {self.name}: a logarithm of counts needs a pseudocount above 0, such as 1")
        if not 0 < self.standard_deviation < math.inf:
            raise ConfigError(f"targets: {self.name}: standard_deviation must be finite and above 0")


@dataclass(frozen=True)
class ReadoutConfig:
    """What is read of the model's answers."""

    gamma_peak: GammaPeak
    """`feature` for DeepMind's weights, `distance` for a model that was trained with enformer-pytorch and without its
    use_tf_gamma; no file says which."""

    organism: str = "human"
    bins: int = 3
    """Bins that are averaged, odd: the one that begins at the anchor, and as many on each side of it."""

    def __post_init__(self) -> None:
        if self.bins < 1 or self.bins % 2 == 0:
            raise ConfigError("readout.bins must be odd, so that the anchor's bin is in the middle")


@dataclass(frozen=True)
class EnformerCard:
    """The card.

    Attributes:
        bundle: a golden sequence that is shorter than the window is repeated until the window is full.
        readout: what is read.
        targets: in the order of the answers.
    """

    bundle: BundleConfig
    readout: ReadoutConfig
    targets: tuple[TrackTarget, ...]

    def __post_init__(self) -> None:
        self.bundle.refuse_8_bits()
        names = [target.name for target in self.targets]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ConfigError(f"targets: {twice[0]} stands there twice; each needs a name of its own")
        if self.bundle.min_bases != self.bundle.max_bases:
            raise ConfigError("bundle: Enformer reads windows of one length: set min_bases and max_bases to it")
        if not self.bundle.licence.strip():
            raise ConfigError("bundle.licence: name the one that the weights are under")


def read_enformer_card(path: Path) -> EnformerCard:
    """Read a card.

    Raises:
        ConfigError: it is missing or not TOML, or a key is unknown, missing or of the wrong kind.
    """
    try:
        document = read_toml(path)
    except ConfigError as error:
        raise ConfigError(f"{error}; --template prints a card to fill in") from None
    return read_dataclass(EnformerCard, document, path.name)
