"""All tables of a configuration together."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from training.baselines.recipe import BaselineConfig
from training.config.agreement import (
    check_baseline,
    check_distillation,
    check_fit,
    check_longest_input,
    check_strands,
    check_tokenizer,
)
from training.config.bundle import BundleConfig
from training.config.evaluation import EvaluationConfig
from training.config.split import SplitConfig
from training.datasets.recipe import DataConfig
from training.errors import ConfigError
from training.licences import check_licence
from training.recipe import DistillationConfig, FitConfig, ModelConfig, TeacherConfig
from training.tokenizers.recipe import TokenizerConfig

PUBLISHED_VOCABULARY = 4096
"""Entries of DNABERT-2's own tokenizer."""


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

    def _check_baseline(self, baseline: BaselineConfig) -> None:
        if self.tokenizer or self.teachers or self.distillation:
            raise ConfigError("baseline: takes no tokenizer, teachers or distillation")
        check_baseline(baseline, self.bundle)

    def _check_network(self, model: ModelConfig, fit: FitConfig) -> None:
        check_tokenizer(self.tokenizer, model, self.bundle)
        check_licence(model, self.bundle.licence)
        check_longest_input(model, self.bundle)
        if model.encoding == "tokens" and fit.augmentation.shift_bases:
            raise ConfigError("fit.augmentation.shift_bases: tokens have no position to be shifted from")
        if bool(self.teachers) != (self.distillation is not None):
            raise ConfigError("distillation: [[teachers]] and [distillation] belong together")
        models = [(model, fit), *((teacher.model, teacher.fit) for teacher in self.teachers)]
        for one_model, its_fit in models:
            check_fit(one_model, its_fit)
        if self.data.strand_specific:
            check_strands(models)
        if self.distillation is not None:
            check_distillation(self.distillation, self.teachers, (model, fit), self.tokenizer)

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

    def with_random_weights(self) -> Config:
        """The same model without its checkpoint, to see whether a recipe runs before its weights are there."""
        model, _ = self.network
        stands_in = TokenizerConfig(PUBLISHED_VOCABULARY) if model.backbone == "dnabert2" else None
        return replace(self, model=replace(model, checkpoint=""), tokenizer=self.tokenizer or stands_in)

    @property
    def outputs_auxiliary(self) -> bool:
        """Whether the model answers the auxiliary columns too; a baseline has no use for them."""
        return self.data.auxiliary and self.baseline is None

    def as_dict(self) -> dict[str, Any]:
        """The whole configuration, defaults included, as it goes into a checkpoint and a manifest."""
        return asdict(self)
