"""The configuration of one published bundle: a TOML file, read into frozen dataclasses that refuse unknown keys.

Every knob of the training package is an attribute here, with its unit, and nowhere else.
"""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from training.errors import ConfigError
from training.licences import check_licence
from training.reading import read_dataclass
from training.recipe import DistillationConfig, FitConfig, ModelConfig, TeacherConfig
from training.tokenizers.six_mer import BASES_PER_TOKEN

PUBLISHED_VOCABULARY = 4096
"""Entries of DNABERT-2's own tokenizer."""


@dataclass(frozen=True)
class BundleConfig:
    """What the manifest and the model card say beyond what is measured."""

    name: str
    """Folder in models/ and name on the wire."""

    version: str
    title: str
    summary: str
    task: str
    organism: str
    licence: str
    citation: str
    intended_use: str
    limits: str
    min_bases: int
    max_bases: int
    golden_sequences: tuple[str, ...]
    """The trained model's predictions for these become the golden examples."""

    card: str = ""
    """Markdown for the model card: what was tried, what to watch for."""

    ambiguous: Literal["refused", "n", "iupac"] = "refused"
    """Which letters beside A, C, G, T and U the service accepts."""

    max_tokens: int = 0
    """Longest input the service takes, special tokens included; 0: whatever `max_bases` comes to at worst."""

    assembly: str = ""
    """Empty for reporters and other sequences that lie on no assembly."""

    def __post_init__(self) -> None:
        if not self.golden_sequences:
            raise ConfigError("bundle.golden_sequences: at least one sequence is needed")
        if not 1 <= self.min_bases <= self.max_bases:
            raise ConfigError("bundle: 1 <= min_bases <= max_bases does not hold")


@dataclass(frozen=True)
class DataConfig:
    """Which data set, and how its rows count."""

    source: Literal["utrseq"]
    folder: str
    """Name of the data set's folder inside the data folder given on the command line."""

    half_weight_umis: float = 0.0
    """Coverage at which a row counts half, in UMIs; 0: all rows count the same."""

    auxiliary: bool = False
    """Train on the data set's auxiliary columns too; they are never predicted."""

    well_covered_umis: float = 20.0
    """Rows with at least this coverage are also measured by themselves, in UMIs."""


@dataclass(frozen=True)
class SplitConfig:
    """How rows are held out."""

    by: Literal["column", "group", "random"] = "column"
    """`column`: as the data set says; `group`: whole groups at random; `random`: single rows, leaking by design."""

    valid_fraction: float = 0.1
    """Share of the rows, for `group` and `random`."""

    test_fraction: float = 0.1
    """Share of the rows, for `group` and `random`."""

    seed: int = 0

    description: str = "held out"
    """What keeps the splits apart, in the words of manifest and model card."""

    def __post_init__(self) -> None:
        if min(self.valid_fraction, self.test_fraction) <= 0 or self.valid_fraction + self.test_fraction >= 1:
            raise ConfigError("split: valid_fraction and test_fraction must be above 0 and below 1 together")


@dataclass(frozen=True)
class TokenizerConfig:
    """A BPE vocabulary learnt from the training rows."""

    vocabulary: int
    """Entries, the five special tokens included."""


@dataclass(frozen=True)
class EvaluationConfig:
    """What is measured beside the model, on the same rows in the same run."""

    kmer_ridge: bool = True
    beside: tuple[str, ...] = ()
    """Configuration files, relative to this one, of other trained models on the same table."""

    seed: int = 0
    """Of the bootstrap."""


@dataclass(frozen=True)
class Config:
    """Everything that decides what a bundle becomes."""

    bundle: BundleConfig
    data: DataConfig
    model: ModelConfig
    fit: FitConfig
    seed: int = 0
    split: SplitConfig = field(default_factory=SplitConfig)
    tokenizer: TokenizerConfig | None = None
    teachers: tuple[TeacherConfig, ...] = ()
    distillation: DistillationConfig | None = None
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)

    def __post_init__(self) -> None:
        self._check_tokenizer()
        check_licence(self.model, self.bundle.licence)
        check_bases(self.model, self.bundle.max_bases)
        if self.model.encoding == "tokens" and self.fit.augmentation.shift_bases:
            raise ConfigError("fit.augmentation.shift_bases: tokens have no position to be shifted from")
        if bool(self.teachers) != (self.distillation is not None):
            raise ConfigError("distillation: [[teachers]] and [distillation] belong together")
        if self.distillation is not None:
            self._check_distillation(self.distillation)

    def _check_tokenizer(self) -> None:
        brings_its_own = bool(self.model.checkpoint) or self.model.backbone == "nucleotide_transformer"
        if self.tokenizer is None and self.model.encoding == "tokens" and not brings_its_own:
            raise ConfigError(f"tokenizer: a {self.model.backbone} backbone needs a [tokenizer] table, or a checkpoint")
        if self.tokenizer is not None and brings_its_own:
            raise ConfigError("tokenizer: this model brings its own; leave the [tokenizer] table out")

    def with_random_weights(self) -> Config:
        """The same model without its checkpoint, to see whether a recipe runs before its weights are there."""
        stands_in = TokenizerConfig(PUBLISHED_VOCABULARY) if self.model.backbone == "dnabert2" else None
        return replace(self, model=replace(self.model, checkpoint=""), tokenizer=self.tokenizer or stands_in)

    def _check_distillation(self, distillation: DistillationConfig) -> None:
        if any(teacher.model.encoding != "one_hot" for teacher in self.teachers):
            raise ConfigError("teachers: a teacher reads bases, so that its states belong to bases")
        if distillation.state_weight and self.model.encoding != "tokens":
            raise ConfigError("distillation.state_weight: only a model of tokens can imitate its teacher's states")
        if self.fit.augmentation.crop_probability or self.fit.augmentation.mutation_rate:
            raise ConfigError("fit.augmentation: teachers label what is read; crop and mutate in [distillation]")

    def as_dict(self) -> dict[str, Any]:
        """The whole configuration, defaults included, as it goes into a checkpoint and a manifest."""
        return asdict(self)


def check_bases(model: ModelConfig, max_bases: int) -> None:
    """Refuse to promise more bases than the backbone has positions for.

    Raises:
        ConfigError: even the fewest tokens that so many bases can become are too many.
    """
    if model.backbone != "nucleotide_transformer" or not model.token_limit:
        return
    fewest_tokens = 1 + sum(divmod(max_bases, BASES_PER_TOKEN))
    if fewest_tokens > model.token_limit:
        readable = (model.token_limit - 1) * BASES_PER_TOKEN
        raise ConfigError(
            f"bundle.max_bases: {max_bases:,} bases are {fewest_tokens:,} tokens, and Nucleotide Transformer v1 with "
            f"{model.positions:,} positions reads {model.token_limit:,}: at most {readable:,} bases"
        )


def read_config(path: Path) -> Config:
    """Read a configuration.

    Raises:
        ConfigError: the file is missing or not TOML, a key is unknown or missing, or a value is of the wrong kind.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None
    return read_dataclass(Config, document, path.name)
