"""DNABERT-2 at its published size, with random weights: written, loaded, exported and compared, in a process alone.

python -m tests.training.full_size FOLDER
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnxruntime as ort
import torch

from tests.training.published import (
    Sizes,
    dnabert2_config,
    dnabert2_language_head,
    dnabert2_shapes,
    random_weights,
    write_checkpoint,
)
from training.config import BundleConfig
from training.feeder import Feeder, input_rules
from training.graph import export_graph, random_rows
from training.published.loading import load_backbone
from training.recipe import ModelConfig
from training.regressor import Regressor
from training.tokenizers import train_bpe
from training.tokenizers.building import TrainedTokenizer

SIZES = Sizes(vocabulary=4096, width=768, layers=12, heads=12, inner_width=3072)
SHAPES = ((1, 1), (2, 33), (1, 300))
BUNDLE = BundleConfig(
    name="full-size",
    version="1.0.0",
    title="",
    summary="",
    task="expression",
    organism="",
    licence="",
    citation="",
    intended_use="",
    limits="",
    min_bases=1,
    max_bases=4000,
    max_tokens=400,
    golden_sequences=("ACGT",),
)


def main(folder: Path) -> dict[str, object]:
    """Seconds of each step, the largest difference in standard deviations of the answers, and the peak memory."""
    seconds: dict[str, float] = {}
    with timed(seconds, "write"):
        weights = random_weights(dnabert2_shapes(SIZES) | dnabert2_language_head(SIZES))
        # The published weights' own scale: larger ones would make every softmax a choice.
        for key, value in weights.items():
            weights[key] = value / 15 if value.ndim > 1 else value / 15 + float(key.endswith("orm.weight"))
        write_checkpoint(folder, dnabert2_config(SIZES), weights, "bin")
        del weights
    config = ModelConfig("dnabert2", 768, checkpoint=str(folder), layers=12, heads=12, inner_width=3072)
    with timed(seconds, "load"):
        model = Regressor(config, 1, 1, SIZES.vocabulary).eval()
        load_backbone(model, config)
    tokenizer = tokenizer_of_size()
    feeder = Feeder(input_rules(config, BUNDLE, tokenizer), tokenizer.files)
    with timed(seconds, "export"):
        graph = export_graph(model, feeder)
    with timed(seconds, "compare"):
        difference = compared(model, feeder, graph)
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    parameters = sum(parameter.numel() for parameter in model.parameters())
    figures = {"parameters": parameters, "graph_bytes": len(graph), "peak_mib": peak_mib, "difference": difference}
    return figures | {"seconds": seconds}


def compared(model: Regressor, feeder: Feeder, graph: bytes) -> float:
    """Largest difference between torch, row by row, and ONNX Runtime, in padded batches."""
    session = ort.InferenceSession(graph)
    differences, answers = [], []
    for rows, length in SHAPES:
        lengths = [length, *np.random.default_rng(length).integers(1, length + 1, size=rows - 1).tolist()]
        batch = random_rows(feeder, lengths, seed=length)
        names = ("input_ids", "attention_mask")
        inputs = {name: tensor.numpy() for name, tensor in zip(names, feeder.tensors(batch), strict=True)}
        (served,) = session.run(["values"], inputs)
        with torch.no_grad():
            alone = np.vstack([model(*feeder.tensors([row])).numpy() for row in batch])
        differences.append(np.abs(alone - served).max())
        answers.extend(alone.ravel())
    return float(max(differences) / np.std(answers))


def tokenizer_of_size() -> TrainedTokenizer:
    """A byte-pair encoding with as many entries as the published one."""
    letters = np.random.default_rng(0).choice(list("ACGT"), size=(400, 1000))
    learnt = train_bpe(["".join(row) for row in letters], SIZES.vocabulary)
    return TrainedTokenizer({"tokenizer.json": learnt}, "Byte pairs.")


@contextmanager
def timed(seconds: dict[str, float], step: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    seconds[step] = round(time.perf_counter() - started, 1)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]))))
