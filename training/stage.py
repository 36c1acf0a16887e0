"""One model of a training run: a teacher, or the model that is published."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from app.bundle import digests
from training.checkpoint import RunFolder
from training.datasets.table import Floats
from training.errors import DataError
from training.feeder import Feeder
from training.published.loading import load_backbone
from training.published.tokenizer import brought_tokenizer
from training.recipe import FitConfig, ModelConfig
from training.regressor import Regressor

TOKENIZER = "tokenizer"
"""The key of a stage's materials under which its tokenizer is."""


@dataclass(frozen=True)
class Stage:
    """What to train, and what makes it itself.

    Attributes:
        data_sha256: digest of the table.
        materials: what else decides the training material, such as the teachers and, under `tokenizer`, the digests
            of its files; part of the run's identity.
        mean, standard_deviation: (outputs,) float32, of the training values.
        targets: names of the targets, which are the first outputs.
        state_weight: how much of the loss is imitating a teacher's states.
        teacher_width: channels of these states.
        steps: of a dry run, which ends after so many; 0: all epochs are trained.
    """

    name: str
    folder: Path
    model: ModelConfig
    fit: FitConfig
    seed: int
    data_sha256: str
    materials: dict[str, object]
    mean: Floats
    standard_deviation: Floats
    targets: tuple[str, ...]
    state_weight: float = 0.0
    teacher_width: int = 0
    steps: int = 0

    @property
    def identity(self) -> dict[str, object]:
        """What makes another run another."""
        identity = {
            "model": asdict(self.model),
            "fit": asdict(self.fit),
            "seed": self.seed,
            "data_sha256": self.data_sha256,
            "materials": self.materials,
        }
        return identity | ({"steps": self.steps} if self.steps else {})

    def new_model(self, vocabulary: int) -> Regressor:
        """The model as training finds it: the checkpoint's weights, and random ones, which the seed decides, elsewhere.

        Raises:
            CheckpointError: the checkpoint cannot be read, or is another model's.
            DataError: the tokenizer that was prepared is not the checkpoint's.
        """
        model = self.built(vocabulary)
        if self.model.checkpoint:
            self._refuse_stand_in()
            load_backbone(model, self.model)
        return model

    def built(self, vocabulary: int) -> Regressor:
        """The model with random weights, to be trained or to take in trained ones."""
        torch.manual_seed(self.seed)
        model = Regressor(self.model, len(self.mean), len(self.targets), vocabulary)
        model.set_scale(torch.from_numpy(self.mean), torch.from_numpy(self.standard_deviation))
        return model

    def _refuse_stand_in(self) -> None:
        """A dry run's tokenizer may have as many entries as the checkpoint's: no shape would tell them apart."""
        prepared = self.materials.get(TOKENIZER)
        if prepared is not None and prepared != digests(brought_tokenizer(self.model).files):
            raise DataError(
                f"{self.folder.parent}: the tokenizer here is not the one of {self.model.checkpoint}, but a dry run's "
                "or another checkpoint's; run `python -m training prepare` again"
            )


def load_trained(stage: Stage, feeder: Feeder) -> Regressor:
    """The model with the best weights of its run, on the CPU, ready to predict.

    Raises:
        FitError: the run has no weights yet.
    """
    model = stage.built(feeder.vocabulary)
    model.load_state_dict(RunFolder(stage.folder, stage.identity, writes=False).load_best())
    return model.eval()
