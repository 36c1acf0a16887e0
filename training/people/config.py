"""The configuration of a bundle that reads people's genotypes: one TOML file, told apart by its `[elastic_net]`."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from training.baselines.elastic_net import ElasticNetConfig
from training.config import BundleWords
from training.datasets.geuvadis import Expression
from training.errors import ConfigError
from training.reading import read_dataclass, read_toml

TABLE = "elastic_net"
# One is predicted, one chooses the penalty, and one is learnt from.
FEWEST_FOLDS = 3


@dataclass(frozen=True, kw_only=True)
class PeopleWords(BundleWords):
    """What is said of the bundle: its `[bundle]` table."""

    measured: str
    """What the expression of a gene is of, for the descriptions of the targets."""

    least_pearson: float = 0.1
    """A gene whose held-out people are predicted with a correlation of at most this is left out of the bundle."""


@dataclass(frozen=True)
class PeopleData:
    """Which data set of people: the `[data]` table."""

    source: Literal["geuvadis", "eqtl_catalogue"]
    folder: str
    """Name of the data set's folder inside the data folder given on the command line."""

    expression: Expression = "normalised"
    """Which values are predicted (geuvadis)."""


@dataclass(frozen=True)
class PeopleFolds:
    """How people are held out: the `[folds]` table. Equal ones give equal folds to every model of the same people."""

    count: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        if self.count < FEWEST_FOLDS:
            raise ConfigError(f"folds.count must be at least {FEWEST_FOLDS}: one is tested and one chooses the penalty")


@dataclass(frozen=True)
class PeopleConfig:
    """Everything that decides what a bundle of dosages becomes.

    Attributes:
        seed: of the bootstrap, and of the shuffling of the control.
    """

    bundle: PeopleWords
    data: PeopleData
    elastic_net: ElasticNetConfig
    folds: PeopleFolds = field(default_factory=PeopleFolds)
    seed: int = 0

    @property
    def split_in_words(self) -> str:
        """How people are held out, in the words of manifest and model card."""
        return f"{self.folds.count}-fold cross-validation across people, penalties chosen inside"

    def as_dict(self) -> dict[str, Any]:
        """The whole configuration, defaults included."""
        return asdict(self)

    def decisive(self) -> dict[str, Any]:
        """What decides the weights: all of it but the words."""
        return {name: value for name, value in self.as_dict().items() if name != "bundle"}


def is_of_people(path: Path) -> bool:
    """Whether a configuration is one of people; other kinds and unreadable files are not."""
    try:
        return TABLE in read_toml(path)
    except ConfigError:
        return False


def read_people_config(path: Path) -> PeopleConfig:
    """Read a configuration.

    Raises:
        ConfigError: the file is missing or not TOML, a key is unknown or missing, or a value is of the wrong kind.
    """
    return read_dataclass(PeopleConfig, read_toml(path), path.name)
