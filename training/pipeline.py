"""From a prepared table to a trained model: the teachers, if there are any, then the model that is published."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from app.bundle import digests
from training.baselines.fitting import BaselineStage, fit_baseline, load_baseline
from training.baselines.recipe import BaselineConfig
from training.config import Config
from training.datasets.table import Split
from training.distillation import Distilled, Teachers
from training.errors import DataError
from training.examples import Examples, Material, examples_of, output_columns
from training.feeder import Feeder, input_rules
from training.fit import fit
from training.preparation import Prepared
from training.processes import ALONE, Processes
from training.recipe import FitConfig, ModelConfig
from training.regressor import ScaledModel, scale_of
from training.stage import TOKENIZER, Stage, load_trained
from training.watching import Watcher

MODEL_FOLDER = "model"
DRY_RUN_ROWS = 16


class Pipeline:
    """All stages of one configuration.

    Args:
        config: what to train.
        prepared: table and tokenizer.
        folder: of this bundle's runs.
        steps: of a dry run, which trains each model for so many, in a folder of its own; 0: trains it whole.
    """

    def __init__(self, config: Config, prepared: Prepared, folder: Path, steps: int = 0) -> None:
        self.config, self.prepared, self.folder, self.steps = config, prepared, folder, steps
        self._data_sha256 = prepared.table.sha256()
        train = prepared.table.split("train")
        mean, standard_deviation = scale_of(output_columns(train, config.outputs_auxiliary))
        self._mean, self._standard_deviation = mean.numpy(), standard_deviation.numpy()

    @property
    def data_sha256(self) -> str:
        """Digest of the table."""
        return self._data_sha256

    @property
    def golden_sequences(self) -> tuple[str, ...]:
        """What the golden examples are of, rows of the table included.

        Raises:
            DataError: one of the rows is not in the table.
        """
        table, bundle = self.prepared.table, self.config.bundle
        if missing := sorted(set(bundle.golden_rows) - set(table.ids)):
            raise DataError(f"bundle.golden_rows: no row of the table is called {missing[0]}")
        return bundle.golden_sequences + tuple(table.sequences[table.ids.index(name)] for name in bundle.golden_rows)

    @property
    def feeder(self) -> Feeder:
        """Makes the published model's inputs."""
        return self._feeder(self.config.baseline or self.config.network[0])

    @property
    def stage(self) -> Stage:
        """The published model, where it is a network."""
        model, fit_config = self.config.network
        distillation, materials, weight = self.config.distillation, dict[str, object](), 0.0
        if distillation is not None:
            weight = distillation.state_weight
            materials["teachers"] = [asdict(teacher) for teacher in self.config.teachers]
            materials["distillation"] = asdict(distillation)
        return self._stage(MODEL_FOLDER, model, fit_config, self.config.seed, materials, weight)

    @property
    def teacher_stages(self) -> list[Stage]:
        """The teachers, in the configuration's order."""
        return [
            self._stage(f"teacher-{number}", teacher.model, teacher.fit, teacher.seed, {})
            for number, teacher in enumerate(self.config.teachers, start=1)
        ]

    def fit(self, device: torch.device, watcher: Watcher, processes: Processes = ALONE) -> ScaledModel:
        """Train whatever is not trained yet; a dry run starts anew.

        Args:
            device: where to train.
            watcher: is told how far it is.
            processes: that train together.

        Returns:
            The published model, on the CPU.
        """
        train, valid = self.examples("train"), self.examples("valid")
        if self.config.baseline is not None:
            return fit_baseline(self._baseline(self.config.baseline), train, valid, watcher)
        if self.steps:
            valid = valid.rows(np.arange(min(len(valid), DRY_RUN_ROWS)))
            self._forget_dry_runs(processes)
        for stage in self.teacher_stages:
            fit(stage, train, valid, self._feeder(stage.model), device, watcher, processes)
        material = self._material(train, device)
        return fit(self.stage, material, valid, self.feeder, device, watcher, processes)

    def load(self) -> ScaledModel:
        """The published model, trained before.

        Raises:
            FitError: it was not.
        """
        if self.config.baseline is not None:
            return load_baseline(self._baseline(self.config.baseline))
        return load_trained(self.stage, self.feeder)

    def examples(self, split: Split) -> Examples:
        """The rows of a split as training material."""
        table = self.prepared.table.split(split)
        columns = output_columns(table, self.config.outputs_auxiliary)
        return examples_of(table, columns, self._mean, self._standard_deviation)

    def teachers(self, device: torch.device) -> Teachers:
        """The teachers, trained before."""
        stages = self.teacher_stages
        feeders = [self._feeder(stage.model) for stage in stages]
        models = [(load_trained(stage, feeder), feeder) for stage, feeder in zip(stages, feeders, strict=True)]
        return Teachers(models, device, self.config.network[1].precision)

    def _forget_dry_runs(self, processes: Processes) -> None:
        for stage in (*self.teacher_stages, self.stage):
            if processes.is_main:
                shutil.rmtree(stage.folder, ignore_errors=True)
        processes.wait()

    def _material(self, train: Examples, device: torch.device) -> Material:
        if self.config.distillation is None:
            return train
        return Distilled(train, self.teachers(device), self.config.distillation)

    def _baseline(self, config: BaselineConfig) -> BaselineStage:
        return BaselineStage(
            folder=self.folder / MODEL_FOLDER,
            config=config,
            window_bases=self.config.bundle.max_bases,
            data_sha256=self._data_sha256,
            mean=self._mean,
            standard_deviation=self._standard_deviation,
            targets=self.prepared.table.targets.names,
        )

    def _feeder(self, model: ModelConfig | BaselineConfig) -> Feeder:
        tokenizer = self.prepared.tokenizer if model.encoding == "tokens" else None
        return Feeder(input_rules(model, self.config.bundle, tokenizer), tokenizer.files if tokenizer else {})

    def _tokens_of(self, model: ModelConfig) -> dict[str, object]:
        """What a run of another tokenizer differs in."""
        tokenizer = self.prepared.tokenizer if model.encoding == "tokens" else None
        return {TOKENIZER: digests(tokenizer.files)} if tokenizer else {}

    def _stage(
        self,
        name: str,
        model: ModelConfig,
        fit_config: FitConfig,
        seed: int,
        materials: dict[str, object],
        state_weight: float = 0.0,
    ) -> Stage:
        return Stage(
            name=name,
            folder=self.folder / (f"{name}-dry-run" if self.steps else name),
            model=model,
            fit=fit_config,
            seed=seed,
            data_sha256=self._data_sha256,
            materials=materials | self._tokens_of(model),
            mean=self._mean.astype(np.float32),
            standard_deviation=self._standard_deviation.astype(np.float32),
            targets=self.prepared.table.targets.names,
            state_weight=state_weight,
            teacher_width=self.config.teachers[0].model.width if self.config.teachers else 0,
            steps=self.steps,
        )
