"""Weights of dosages as a model like any other: what an elastic net or a PredictDB file comes to."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from training.regressor import ScaledModel


class DosageRegressor(ScaledModel):
    """A weighted sum of dosages for each gene.

    Args:
        weights: (variants, targets) float32, in standard deviations of the target per alternate allele.
        intercepts: (targets,) float32.
    """

    def __init__(self, weights: Tensor, intercepts: Tensor) -> None:
        super().__init__(len(intercepts), len(intercepts))
        self.weights = nn.Parameter(weights, requires_grad=False)
        self.intercepts = nn.Parameter(intercepts, requires_grad=False)

    def standardised(self, *inputs: Tensor) -> Tensor:
        """(batch, targets) float32, in standard deviations from the mean."""
        (dosage,) = inputs
        return torch.matmul(dosage, self.weights) + self.intercepts

    def chosen(self, variants: Tensor, targets: Tensor) -> DosageRegressor:
        """The same model of some targets alone, reading some variants alone.

        Args:
            variants: indices; all that the targets give a weight.
            targets: indices.
        """
        model = DosageRegressor(self.weights[variants][:, targets], self.intercepts[targets])
        model.set_scale(self.mean[targets], self.standard_deviation[targets])
        return model.eval()


def regressor_of_state(state: Mapping[str, Tensor]) -> DosageRegressor:
    """The model that wrote a state."""
    model = DosageRegressor(state["weights"], state["intercepts"])
    model.set_scale(state["mean"], state["standard_deviation"])
    return model.eval()
