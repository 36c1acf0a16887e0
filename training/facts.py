"""What `run.json` says about a run, for people and for reports: by which code, where, on what, and how well."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import torch
from torch import nn

from training.code_version import code_version
from training.precision import Precision
from training.stage import Stage


def run_facts(stage: Stage, model: nn.Module, precision: Precision, processes: int) -> dict[str, object]:
    """What is known before the first step.

    Args:
        stage: what is trained.
        model: as it is trained.
        precision: what it is computed in, and where.
        processes: how many train it.
    """
    parameters = list(model.parameters())
    return {
        "code_version": code_version(),
        "torch": torch.__version__,
        "device": _device_name(precision.device),
        "precision": str(precision.half or torch.float32).removeprefix("torch."),
        "processes": processes,
        "threads": torch.get_num_threads(),
        "cpus": os.cpu_count(),
        "data_sha256": stage.data_sha256,
        "parameters": sum(parameter.numel() for parameter in parameters),
        "trained_parameters": sum(parameter.numel() for parameter in parameters if parameter.requires_grad),
    }


def run_results(history: Sequence[Mapping[str, float]], steps: int, finished: bool) -> dict[str, object]:
    """What is known after an epoch.

    Args:
        history: a row per epoch.
        steps: taken.
        finished: no epoch is left to do.
    """
    best = min(history, key=lambda row: row["valid_loss"])
    return {
        "finished": finished,
        "epochs": len(history),
        "steps": steps,
        "seconds": round(sum(row["seconds"] for row in history), 3),
        "best_epoch": dict(best),
    }


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
