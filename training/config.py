"""The configuration of one published bundle: a TOML file, read into frozen dataclasses that refuse unknown keys.

Every knob of the training package is an attribute here, with its unit, and nowhere else.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from app.bundle import NAME_PATTERN, VERSION_PATTERN
from training.baselines.recipe import BaselineConfig, KmerRidgeConfig
from training.datasets.options import (
    GenomeOptions,
    GroupingOptions,
    LevelsOptions,
    SourceName,
    TableOptions,
    UtrseqOptions,
    WindowOptions,
)
from training.errors import ConfigError
from training.licences import check_licence
from training.reading import read_dataclass, read_toml
from training.recipe import DistillationConfig, FitConfig, ModelConfig, TeacherConfig
from training.tokenizers.recipe import TokenizerConfig
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
    golden_sequences: tuple[str, ...] = ()
    """The trained model's predictions for these become the golden examples."""

    golden_rows: tuple[str, ...] = ()
    """Ids of rows of the table that are golden sequences too, for windows too long to write down."""

    card: str = ""
    """Markdown for the model card: what was tried, what to watch for."""

    ambiguous: Literal["refused", "n", "iupac"] = "refused"
    """Which letters beside A, C, G, T and U the service accepts."""

    max_tokens: int = 0
    """Longest input in tokens, special ones included; 0: what `max_bases` comes to at worst. A model with so many
    positions may allow less, and a sequence that gives more is refused."""

    assembly: str = ""
    """Empty for reporters and other sequences that lie on no assembly."""

    def __post_init__(self) -> None:
        if not re.fullmatch(NAME_PATTERN, self.name):
            raise ConfigError(
                f"bundle.name: {self.name!r} is not up to 64 of a-z, 0-9, dot, dash and _, a-z or 0-9 first"
            )
        if not re.fullmatch(VERSION_PATTERN, self.version):
            raise ConfigError(f"bundle.version: {self.version!r} is not three numbers with dots between them, as 1.0.0")
        if not self.golden_sequences and not self.golden_rows:
            raise ConfigError("bundle.golden_sequences: at least one sequence is needed, or a row in golden_rows")
        if not 1 <= self.min_bases <= self.max_bases:
            raise ConfigError("bundle: 1 <= min_bases <= max_bases does not hold")
        if self.max_tokens < 0:
            raise ConfigError("bundle.max_tokens must be at least 0")


@dataclass(frozen=True)
class DataConfig:
    """Which data set, and how its rows count."""

    source: SourceName
    folder: str
    """Name of the data set's folder inside the data folder given on the command line."""

    targets: tuple[str, ...] = ()
    """Which of the data set's tissues, cell lines or media are predicted; empty: the data set's own choice."""

    window: WindowOptions = field(default_factory=WindowOptions)
    grouping: GroupingOptions = field(default_factory=GroupingOptions)
    utrseq: UtrseqOptions = field(default_factory=UtrseqOptions)
    genome: GenomeOptions = field(default_factory=GenomeOptions)
    table: TableOptions = field(default_factory=TableOptions)
    levels: LevelsOptions = field(default_factory=LevelsOptions)

    half_weight_umis: float = 0.0
    """Coverage at which a row counts half, in UMIs; 0: all rows count the same."""

    auxiliary: bool = False
    """Train on the data set's auxiliary columns too; they are never predicted."""

    well_covered_umis: float = 20.0
    """Rows with at least this coverage are also measured by themselves, in UMIs."""

    strand_specific: bool = True
    """What is measured belongs to the strand that is read (RNA, promoters); false only where both are one thing."""

    def __post_init__(self) -> None:
        if self.source != "table" and not self.strand_specific:
            raise ConfigError(f"data.strand_specific: {self.source} measures one strand; leave it true")


@dataclass(frozen=True)
class SplitConfig:
    """How rows are held out."""

    by: Literal["column", "group", "chromosome", "random"] = "column"
    """`column`: as the data set says; `group`: whole groups at random; `chromosome`: whole chromosomes, without the
    rows that are related to one held out; `random`: single rows, leaking by design."""

    valid_fraction: float = 0.1
    """Share of the rows, for `group` and `random`."""

    test_fraction: float = 0.1
    """Share of the rows, for `group` and `random` without folds."""

    folds: int = 0
    """For `group` and `random`: deal the rows into so many folds, test on one, and take the share of validation rows
    from the others; 0: no folds."""

    fold: int = 0
    """The fold that is tested, from 0; `--fold` on the command line puts another in its place."""

    valid_chromosomes: tuple[str, ...] = ()
    test_chromosomes: tuple[str, ...] = ()
    """By name, for `chromosome`; empty: drawn by the fractions."""

    seed: int = 0

    description: str = "held out"
    """What keeps the splits apart, in the words of manifest and model card."""

    def __post_init__(self) -> None:
        if self.folds == 1 or self.folds < 0 or not 0 <= self.fold < max(1, self.folds):
            raise ConfigError("split: folds must be 0 or at least 2, and fold one of 0 to folds - 1")
        if self.folds and self.by == "column":
            raise ConfigError("split.folds: a column says which rows are held out; use split.by = 'group' or 'random'")
        if min(self.valid_fraction, self.test_fraction) <= 0 or self.valid_fraction + self.test_fraction >= 1:
            raise ConfigError("split: valid_fraction and test_fraction must be above 0 and below 1 together")
        if bool(self.valid_chromosomes) != bool(self.test_chromosomes):
            raise ConfigError("split: valid_chromosomes and test_chromosomes belong together")


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
    model: ModelConfig | None = None
    fit: FitConfig | None = None
    baseline: BaselineConfig | None = None
    """Stands in the place of `model` and `fit`."""

    seed: int = 0
    split: SplitConfig = field(default_factory=SplitConfig)
    tokenizer: TokenizerConfig | None = None
    teachers: tuple[TeacherConfig, ...] = ()
    distillation: DistillationConfig | None = None
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)

    def __post_init__(self) -> None:
        if (self.model is None, self.fit is None, self.baseline is None) not in {
            (False, False, True),
            (True, True, False),
        }:
            raise ConfigError("either [model] with [fit] is needed, or [baseline] alone")
        if self.baseline is not None:
            self._check_baseline(self.baseline)
        else:
            self._check_network(*self.network)

    @property
    def network(self) -> tuple[ModelConfig, FitConfig]:
        """`[model]` and `[fit]`.

        Raises:
            ConfigError: the configuration is a baseline's.
        """
        if self.model is None or self.fit is None:
            raise ConfigError(f"{self.bundle.name} is a baseline: it has no [model] and no [fit]")
        return self.model, self.fit

    @property
    def architecture(self) -> str:
        """What is trained, in a sentence."""
        return self.network[0].description if self.baseline is None else self.baseline.description

    def _check_network(self, model: ModelConfig, fit: FitConfig) -> None:
        self._check_tokenizer(model)
        check_licence(model, self.bundle.licence)
        check_longest_input(model, self.bundle)
        if model.encoding == "tokens" and fit.augmentation.shift_bases:
            raise ConfigError("fit.augmentation.shift_bases: tokens have no position to be shifted from")
        if bool(self.teachers) != (self.distillation is not None):
            raise ConfigError("distillation: [[teachers]] and [distillation] belong together")
        for one_model, its_fit in self._models():
            _check_fit(one_model, its_fit)
        if self.data.strand_specific:
            self._check_strands()
        if self.distillation is not None:
            self._check_distillation(self.distillation, model, fit)

    def with_random_weights(self) -> Config:
        """The same model without its checkpoint, to see whether a recipe runs before its weights are there."""
        model, _ = self.network
        stands_in = TokenizerConfig(PUBLISHED_VOCABULARY) if model.backbone == "dnabert2" else None
        return replace(self, model=replace(model, checkpoint=""), tokenizer=self.tokenizer or stands_in)

    def _models(self) -> list[tuple[ModelConfig, FitConfig]]:
        return [self.network, *((teacher.model, teacher.fit) for teacher in self.teachers)]

    def _check_strands(self) -> None:
        """Neither the model nor a teacher may take a strand-specific sequence for its reverse complement."""
        why = "the data set is strand-specific (data.strand_specific): the other strand has another value"
        for model, fit in self._models():
            if model.reverse_complement_averaged:
                raise ConfigError(f"model.reverse_complement_averaged: {why}")
            if fit.augmentation.reverse_complement_probability:
                raise ConfigError(f"fit.augmentation.reverse_complement_probability: {why}")

    def _check_tokenizer(self, model: ModelConfig) -> None:
        """A model brings its tokenizer, or there is a table for it; a checkpoint's own is the only one for its states.

        Beside Nucleotide Transformer with random weights a table takes the place of the six-mers.
        """
        if self.tokenizer is None:
            if model.encoding == "tokens" and not model.brings_tokenizer:
                raise ConfigError(f"tokenizer: a {model.backbone} backbone needs a [tokenizer] table, or a checkpoint")
            return
        if model.checkpoint:
            raise ConfigError("tokenizer: a checkpoint brings its own; leave the [tokenizer] table out")
        if self.tokenizer.kind == "motifs" and self.tokenizer.motifs.bases > self.bundle.max_bases:
            raise ConfigError("tokenizer.motifs.bases is larger than bundle.max_bases")
        if self.tokenizer.kind == "motifs" and self.distillation is not None and self.distillation.state_weight:
            raise ConfigError("distillation.state_weight: motifs overlap, so no states of bases belong to one alone")

    def _check_baseline(self, baseline: BaselineConfig) -> None:
        if self.tokenizer or self.teachers or self.distillation:
            raise ConfigError("baseline: takes no tokenizer, teachers or distillation")
        if isinstance(baseline, KmerRidgeConfig):
            return
        if self.bundle.min_bases != self.bundle.max_bases:
            raise ConfigError(f"baseline: {baseline.kind} reads windows of one length; set min_bases = max_bases")
        if baseline.anchor_in(self.bundle.max_bases) >= self.bundle.max_bases:
            raise ConfigError(f"baseline.anchor: lies outside windows of {self.bundle.max_bases} bases")

    def _check_distillation(self, distillation: DistillationConfig, model: ModelConfig, fit: FitConfig) -> None:
        if any(teacher.model.backbone != "convolution" for teacher in self.teachers):
            raise ConfigError("teachers: a teacher reads bases, so that its states belong to bases")
        if distillation.state_weight and model.encoding != "tokens":
            raise ConfigError("distillation.state_weight: only a model of tokens can imitate its teacher's states")
        changed = fit.augmentation
        if changed.crop_probability or changed.mutation_rate or changed.reverse_complement_probability:
            raise ConfigError("fit.augmentation: teachers label what is read; crop and mutate in [distillation]")

    @property
    def outputs_auxiliary(self) -> bool:
        """Whether the model answers the auxiliary columns too; a baseline has no use for them."""
        return self.data.auxiliary and self.baseline is None

    def as_dict(self) -> dict[str, Any]:
        """The whole configuration, defaults included, as it goes into a checkpoint and a manifest."""
        return asdict(self)


def check_longest_input(model: ModelConfig, bundle: BundleConfig) -> None:
    """Refuse to promise more than the backbone has positions for.

    Raises:
        ConfigError: `max_tokens`, or the fewest tokens that `max_bases` can become, are too many.
    """
    longest = model.longest_tokens
    if longest is None:
        return
    if bundle.max_tokens > longest:
        raise ConfigError(f"bundle.max_tokens: the model reads at most {longest:,} tokens")
    fewest_tokens = 1 + sum(divmod(bundle.max_bases, BASES_PER_TOKEN))
    if model.backbone == "nucleotide_transformer" and fewest_tokens > longest:
        readable = (longest - 1) * BASES_PER_TOKEN
        raise ConfigError(
            f"bundle.max_bases: {bundle.max_bases:,} bases are {fewest_tokens:,} tokens, and Nucleotide Transformer v1 "
            f"with {model.positions:,} positions reads {longest:,}: at most {readable:,} bases"
        )


def _check_fit(model: ModelConfig, fit: FitConfig) -> None:
    """What a backbone cannot do, before teachers are trained for hours."""
    if fit.gradient_checkpointing and model.encoding != "tokens":
        raise ConfigError("fit.gradient_checkpointing: only a transformer's layers can be computed again")
    if fit.lora is not None and not fit.lora.targets and model.encoding != "tokens":
        raise ConfigError(f"fit.lora.targets: name the layers of a {model.backbone} backbone that are changed")


def read_config(path: Path) -> Config:
    """Read a configuration, and what it takes from the one that it extends.

    Raises:
        ConfigError: a file is missing or not TOML, a key is unknown or missing, or a value is of the wrong kind.
    """
    return read_dataclass(Config, _read_extended(path), path.name)


def _read_extended(path: Path, seen: tuple[Path, ...] = ()) -> dict[str, Any]:
    """A file's document; one that extends another has the other's rows, and its words for them.

    Models are compared on the same rows: so [data] and [split] are taken over whole where they are not given, and
    [bundle] key by key. What is trained is never taken over.
    """
    document = read_toml(path)
    if "extends" not in document:
        return document
    name = document.pop("extends")
    if not isinstance(name, str) or path in seen:
        raise ConfigError(f"{path.name}: extends: expected the name of another file that does not extend this one")
    other = _read_extended(path.parent / name, (*seen, path))
    rows = {table: other[table] for table in ("data", "split") if table in other}
    return rows | document | {"bundle": other.get("bundle", {}) | document.get("bundle", {})}
