"""The configuration of one pre-training: a TOML file, read into frozen dataclasses that refuse unknown keys."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from training.backbones.dnabert2 import Dnabert2Shape
from training.errors import ConfigError
from training.reading import read_dataclass, read_toml
from training.tokenizers import SPECIAL_TOKENS

LARGEST_VOCABULARY = 2**15
SPECIAL_TOKENS_PER_ROW = 2


@dataclass(frozen=True)
class GenomeConfig:
    """Which bases are read."""

    fasta: str
    """FASTA file inside the data folder, plain, .gz or .xz."""

    organism: str
    held_out: tuple[str, ...]
    """Contigs that are never trained on; perplexity is measured there."""

    exclude: tuple[str, ...] = ()
    """Contigs (`chr3`) or intervals (`chr3:1,001-5,000`, 1-based, both ends included) that are not read at all."""

    exclude_bed: str = ""
    """BED file inside the data folder with further intervals that are not read, such as a later task's test windows."""

    source: str = ""
    """Where the file comes from and under which licence, for the README."""

    def __post_init__(self) -> None:
        if not self.held_out:
            raise ConfigError("genome.held_out: name at least one contig to measure the perplexity on")


@dataclass(frozen=True)
class VocabularyConfig:
    """A BPE vocabulary learnt from the contigs that are trained on."""

    entries: int
    """The five special tokens included."""

    sample_bases: int = 4_000_000
    """It is learnt from random pieces of both strands, so many bases together."""

    def __post_init__(self) -> None:
        if not len(SPECIAL_TOKENS) + len("ACGT") <= self.entries <= LARGEST_VOCABULARY or self.sample_bases < 1:
            raise ConfigError(
                f"vocabulary: entries must lie between 9 and {LARGEST_VOCABULARY:,}, and sample_bases above 0"
            )


@dataclass(frozen=True)
class SizesConfig:
    """The sizes of the model."""

    width: int
    layers: int
    heads: int
    inner_width: int
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if min(self.width, self.layers, self.heads, self.inner_width) < 1 or self.width % self.heads:
            raise ConfigError("model: every size must be above 0, and heads must divide width")

    def shape(self, vocabulary: int) -> Dnabert2Shape:
        """As the backbone takes them."""
        return Dnabert2Shape(vocabulary, self.width, self.layers, self.heads, self.inner_width, self.dropout)


@dataclass(frozen=True)
class StepsConfig:
    """How the model is trained. It stops at `steps` or after `minutes`, whichever comes first."""

    batch: int
    """Rows per step."""

    context_tokens: int
    """Tokens of a row, [CLS] and [SEP] included; a row is full, and comes from one strand of one segment."""

    learning_rate: float
    """At the end of warm-up; it comes from a hundredth of that, and a cosine brings it back there."""

    steps: int = 0
    """0: no limit."""

    minutes: float = 0.0
    """Of training; reading, tokenising and writing do not count. 0: no limit. A limit in time is not repeatable."""

    warmup_fraction: float = 0.05
    """Share of the run."""

    weight_decay: float = 0.01
    """On matrices only; biases, norms and other vectors are free."""

    clip_norm: float = 1.0
    """Largest norm of the gradient."""

    masking_rate: float = 0.15
    """Share of a row's tokens that are predicted: 80 % become [MASK], 10 % a random token, 10 % stay."""

    precision: Literal["fp32", "bf16"] = "fp32"
    """`bf16`: autocast where the device is fast at it, else fp32."""

    compile: bool = False
    """Compile the step with torch.compile: faster on a GPU after a minute of compiling."""

    save_every_steps: int = 1000
    """After so many steps the perplexity is measured and a checkpoint written."""

    valid_rows: int = 512
    """Rows of the held-out contigs that the perplexity is measured on, spread evenly over them."""

    def __post_init__(self) -> None:
        if min(self.batch, self.save_every_steps, self.valid_rows) < 1 or self.learning_rate <= 0:
            raise ConfigError("fit: batch, learning_rate, save_every_steps and valid_rows must be above 0")
        if self.context_tokens <= SPECIAL_TOKENS_PER_ROW:
            raise ConfigError(f"fit.context_tokens: [CLS] and [SEP] leave no room in {self.context_tokens}")
        if not 0 < self.masking_rate < 1 or not 0 <= self.warmup_fraction < 1:
            raise ConfigError("fit: masking_rate must lie above 0 and below 1, warmup_fraction from 0 to below 1")
        if min(self.steps, self.minutes) < 0 or not (self.steps or self.minutes):
            raise ConfigError("fit: set steps, minutes or both, so that the run ends")


@dataclass(frozen=True)
class PretrainConfig:
    """Everything that decides what a pre-trained model becomes."""

    name: str
    """Folder in runs/."""

    genome: GenomeConfig
    vocabulary: VocabularyConfig
    model: SizesConfig
    fit: StepsConfig
    seed: int = 0
    notes: str = field(default="")
    """Markdown for the README."""

    def limited(self, steps: int | None, minutes: float | None) -> PretrainConfig:
        """The configuration with another limit; None keeps what it says."""
        fit = self.fit
        return replace(
            self,
            fit=replace(
                fit,
                steps=fit.steps if steps is None else steps,
                minutes=fit.minutes if minutes is None else minutes,
            ),
        )


def read_pretrain_config(path: Path) -> PretrainConfig:
    """Read a configuration.

    Raises:
        ConfigError: the file is missing or not TOML, a key is unknown or missing, or a value is of the wrong kind.
    """
    return read_dataclass(PretrainConfig, read_toml(path), path.name)
