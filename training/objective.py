"""What training makes small: the error of the answers, and where there is a teacher, the distance to its states."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.batches import Part
from training.distillation import StateMatcher
from training.errors import ConfigError
from training.feeder import Feeder
from training.lora import add_adapters
from training.precision import Precision
from training.recipe import FitConfig
from training.recomputing import recompute_layers
from training.regressor import Regressor
from training.stage import Stage


class Objective(nn.Module):
    """The model with its loss; one module, so that several processes can share its gradient.

    Args:
        model: what is trained.
        matcher: compares its states with a teacher's; None without one.
        stage: which loss.
        precision: of the forward pass.
    """

    def __init__(self, model: Regressor, matcher: StateMatcher | None, stage: Stage, precision: Precision) -> None:
        super().__init__()
        self.model, self.matcher = model, matcher
        self._config, self._state_weight, self._precision = stage.fit, stage.state_weight, precision
        self.register_buffer("output_weights", output_weights(stage), persistent=False)
        self.output_weights: Tensor

    def forward(self, part: Part) -> Tensor:
        """The loss of some rows of a step, as their share of the step's loss."""
        with self._precision.autocast():
            predicted, states = self.model.with_states(*part.inputs)
        loss = weighted_error(predicted, part.values, part.weights * self.output_weights, self._config)
        if self.matcher is not None and part.states is not None:
            loss = loss + self._state_weight * self.matcher(states, part.inputs[0], part.states)
        return loss * part.share


def new_objective(stage: Stage, feeder: Feeder, precision: Precision) -> Objective:
    """What a run starts with: the model as it is trained, with adapters and less memory where that is asked for."""
    model = stage.new_model(feeder.vocabulary)
    if stage.fit.gradient_checkpointing:
        recompute_layers(model.backbone)
    if stage.fit.lora is not None:
        add_adapters(model, stage.fit.lora, stage.model)
    matcher = None
    if stage.state_weight:
        matcher = StateMatcher(stage.model.width, stage.teacher_width, feeder.token_bases)
    return Objective(model, matcher, stage, precision)


def weighted_error(predicted: Tensor, values: Tensor, weights: Tensor, config: FitConfig) -> Tensor:
    """The error per row: summed over columns by weight, then the mean over rows.

    Args:
        predicted: (rows, outputs), in standard deviations.
        values: (rows, outputs); what has weight 0 may be anything, NaN too.
        weights: (rows, outputs), at least 0.
        config: which error. Huber's is scaled so that it is the squared error up to `huber_delta`.
    """
    values = torch.where(weights > 0, values, predicted.detach())
    if config.loss == "huber":
        errors = 2 * functional.huber_loss(predicted, values, reduction="none", delta=config.huber_delta)
    else:
        errors = (predicted - values) ** 2
    return (errors * weights).sum() / len(values)


def output_weights(stage: Stage) -> Tensor:
    """(outputs,): 1 or its own for a target; the auxiliary columns share `auxiliary_weight` times the targets.

    Raises:
        ConfigError: there is not one weight for each target.
    """
    weights = torch.ones(len(stage.mean))
    targets, auxiliary = len(stage.targets), len(stage.mean) - len(stage.targets)
    if stage.fit.target_weights:
        if len(stage.fit.target_weights) != targets:
            raise ConfigError(f"fit.target_weights: one for each target is needed ({', '.join(stage.targets)})")
        weights[:targets] = torch.tensor(stage.fit.target_weights)
    weights[targets:] = stage.fit.auxiliary_weight * targets / max(1, auxiliary)
    return weights
