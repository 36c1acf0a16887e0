"""Enformer at its published size but for a short window, with random weights: imported as a person does it, measured.

python -m tests.training.full_size_enformer FOLDER
"""

from __future__ import annotations

import json
import resource
import sys
from dataclasses import replace
from pathlib import Path

import onnxruntime as ort
import torch

from tests.training.full_size import timed
from tests.training.published import write_checkpoint
from training.backbones.enformer import Enformer, EnformerShape
from training.enformer.card import read_enformer_card
from training.enformer.importing import find_enformer, load_regressor
from training.enformer.template import enformer_template
from training.feeder import Feeder
from training.graph import export_graph, random_rows

WINDOW_BASES, TARGET_BINS = 4096, 16


def main(folder: Path) -> dict[str, object]:
    """Seconds of each step, the largest difference to ONNX Runtime in the target's unit, and the peak memory."""
    seconds: dict[str, float] = {}
    with timed(seconds, "write"):
        write(folder)
    found = find_enformer(str(folder))
    card = folder / "card.toml"
    card.write_text(enformer_template(found).replace("196608", str(WINDOW_BASES)))
    with timed(seconds, "load"):
        model, feeder = load_regressor(found, read_enformer_card(card))
    with timed(seconds, "export"):
        graph = export_graph(model, feeder)
    with timed(seconds, "compare"):
        difference = compared(model, feeder, graph)
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    parameters = sum(parameter.numel() for parameter in model.backbone.parameters())
    figures = {"parameters": parameters, "graph_bytes": len(graph), "peak_mib": peak_mib, "difference": difference}
    return figures | {"seconds": seconds}


def write(folder: Path) -> None:
    shape = replace(EnformerShape(), target_bins=TARGET_BINS)
    config = {
        "model_type": "enformer",
        "dim": 1536,
        "depth": 11,
        "heads": 8,
        "attn_dim_key": 64,
        "num_downsamples": 7,
        "dim_divisible_by": 128,
        "target_length": TARGET_BINS,
        "output_heads": {"human": 5313, "mouse": 1643},
    }
    write_checkpoint(folder, config, Enformer(shape, WINDOW_BASES).state_dict(), "bin")


def compared(model: torch.nn.Module, feeder: Feeder, graph: bytes) -> float:
    """Largest difference between torch, row by row, and ONNX Runtime, in a batch of two."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(graph, options)
    (bases,) = feeder.tensors(random_rows(feeder, [WINDOW_BASES] * 2, seed=1))
    (served,) = session.run(["values"], {"bases": bases.numpy()})
    with torch.no_grad():
        alone = torch.cat([model(row[None]) for row in bases]).numpy()
    return float(abs(alone - served).max())


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]))))
