"""What one table of a configuration asks of another: what cannot be is refused before anything is trained for hours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from training.baselines.recipe import BaselineConfig, KmerRidgeConfig
from training.config.bundle import BundleConfig
from training.errors import ConfigError
from training.recipe import DistillationConfig, FitConfig, ModelConfig, TeacherConfig
from training.tokenizers.recipe import TokenizerConfig
from training.tokenizers.six_mer import BASES_PER_TOKEN


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


def check_fit(model: ModelConfig, fit: FitConfig) -> None:
    """Refuse what a backbone cannot do.

    Raises:
        ConfigError: gradients are to be checkpointed where there are no transformer layers, or LoRA has no targets.
    """
    if fit.gradient_checkpointing and model.encoding != "tokens":
        raise ConfigError("fit.gradient_checkpointing: only a transformer's layers can be computed again")
    if fit.lora is not None and not fit.lora.targets and model.encoding != "tokens":
        raise ConfigError(f"fit.lora.targets: name the layers of a {model.backbone} backbone that are changed")


def check_strands(models: Iterable[tuple[ModelConfig, FitConfig]]) -> None:
    """Refuse to take a strand-specific sequence for its reverse complement.

    Raises:
        ConfigError: one of the models would.
    """
    why = "the data set is strand-specific (data.strand_specific): the other strand has another value"
    for model, fit in models:
        if model.reverse_complement_averaged:
            raise ConfigError(f"model.reverse_complement_averaged: {why}")
        if fit.augmentation.reverse_complement_probability:
            raise ConfigError(f"fit.augmentation.reverse_complement_probability: {why}")


def check_tokenizer(tokenizer: TokenizerConfig | None, model: ModelConfig, bundle: BundleConfig) -> None:
    """A model brings its tokenizer, or there is a table for it; a checkpoint's own is the only one for its states.

    Beside Nucleotide Transformer with random weights a table takes the place of the six-mers.

    Raises:
        ConfigError: there is none or one too many, or its motifs are longer than any input.
    """
    if tokenizer is None:
        if model.encoding == "tokens" and not model.brings_tokenizer:
            raise ConfigError(f"tokenizer: a {model.backbone} backbone needs a [tokenizer] table, or a checkpoint")
        return
    if model.checkpoint:
        raise ConfigError("tokenizer: a checkpoint brings its own; leave the [tokenizer] table out")
    if tokenizer.kind == "motifs" and tokenizer.motifs.bases > bundle.max_bases:
        raise ConfigError("tokenizer.motifs.bases is larger than bundle.max_bases")


def check_distillation(
    distillation: DistillationConfig,
    teachers: Sequence[TeacherConfig],
    student: tuple[ModelConfig, FitConfig],
    tokenizer: TokenizerConfig | None,
) -> None:
    """Refuse what teachers cannot teach, or a student cannot imitate.

    Raises:
        ConfigError: a teacher has no states of bases, the student has none to compare with them, or the student reads
            something else than its teachers have labelled.
    """
    model, fit = student
    if any(teacher.model.backbone != "convolution" for teacher in teachers):
        raise ConfigError("teachers: a teacher reads bases, so that its states belong to bases")
    if distillation.state_weight and model.encoding != "tokens":
        raise ConfigError("distillation.state_weight: only a model of tokens can imitate its teacher's states")
    if distillation.state_weight and tokenizer is not None and tokenizer.kind == "motifs":
        raise ConfigError("distillation.state_weight: motifs overlap, so no states of bases belong to one alone")
    changed = fit.augmentation
    if changed.crop_probability or changed.mutation_rate or changed.reverse_complement_probability:
        raise ConfigError("fit.augmentation: teachers label what is read; crop and mutate in [distillation]")


def check_baseline(baseline: BaselineConfig, bundle: BundleConfig) -> None:
    """A baseline that counts in bins reads windows of one length, with its anchor inside.

    Raises:
        ConfigError: the lengths differ, or the anchor lies outside.
    """
    if isinstance(baseline, KmerRidgeConfig):
        return
    if bundle.min_bases != bundle.max_bases:
        raise ConfigError(f"baseline: {baseline.kind} reads windows of one length; set min_bases = max_bases")
    if baseline.anchor_in(bundle.max_bases) >= bundle.max_bases:
        raise ConfigError(f"baseline.anchor: lies outside windows of {bundle.max_bases} bases")
