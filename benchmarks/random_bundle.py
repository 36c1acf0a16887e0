"""A bundle with random weights: real in everything that costs time, and in nothing else."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Literal

import torch

from app.bundle import (
    GRAPH,
    MANIFEST,
    TOKENIZER,
    Golden,
    GoldenExample,
    Input,
    Manifest,
    Parity,
    Precision,
    Provenance,
    Target,
    digests,
)
from benchmarks.workload import random_sequences
from training.feeder import Feeder
from training.graph import export_graph
from training.recipe import ModelConfig
from training.regressor import Regressor
from training.tokenizers import PAD, train_bpe

LONGEST_BASES = 1000
VOCABULARY = 4096
GOLDEN_TOLERANCE = {"fp32": 1e-4, "fp16": 1e-2}
MODEL = ModelConfig(backbone="dnabert2", width=256, layers=4, heads=4, inner_width=1024)
FULL = ModelConfig(backbone="dnabert2", width=768, layers=12, heads=12, inner_width=3072)  # as it is published


def write_random_bundle(folder: Path, config: ModelConfig = MODEL, precision: Literal["fp32", "fp16"] = "fp32") -> Path:
    """Write DNABERT-2's architecture, by default with 4 layers of 256, as `folder/random`."""
    model, feeder, tokenizer = random_model(config)
    golden = _golden(model, feeder, GOLDEN_TOLERANCE[precision])
    if precision == "fp16":
        model.half()
    files = {GRAPH: export_graph(model, feeder), TOKENIZER: tokenizer}
    return write_random(folder / "random", feeder.rules, files, golden, "DNABERT-2's, random weights.", precision)


def random_model(config: ModelConfig) -> tuple[Regressor, Feeder, bytes]:
    """The model of `write_random_bundle`, what reads sequences for it, and its tokenizer's file."""
    rules = Input(
        encoding="tokens", min_bases=1, max_bases=LONGEST_BASES, max_tokens=LONGEST_BASES + 2, pad_token_id=PAD
    )
    tokenizer = _tokenizer()
    feeder = Feeder(rules, {TOKENIZER: tokenizer})
    torch.manual_seed(0)
    return Regressor(config, outputs=1, targets=1, vocabulary=feeder.vocabulary).eval(), feeder, tokenizer


@cache
def _tokenizer() -> bytes:
    """The same for every model."""
    return train_bpe(random_sequences(500, 500, 1000, seed=1), VOCABULARY)


def _golden(model: Regressor, feeder: Feeder, tolerance: float) -> Golden:
    sequence = random_sequences(1, 200, 200, seed=2)[0]
    with torch.no_grad():
        value = float(model(*feeder.tensors(feeder.encode([sequence])))[0, 0])
    return Golden(tolerance=tolerance, examples=(GoldenExample(sequence=sequence, values={"value": value}),))


def write_random(
    folder: Path,
    rules: Input,
    files: dict[str, bytes],
    golden: Golden,
    architecture: str,
    precision: Precision = "fp32",
) -> Path:
    """Write a bundle of one target, `value`, under the folder's name."""
    folder.mkdir(parents=True)
    manifest = _manifest(folder.name, rules, files, golden, architecture, precision)
    for name, content in (files | {MANIFEST: manifest.to_json()}).items():
        (folder / name).write_bytes(content)
    return folder


def _manifest(
    name: str, rules: Input, files: dict[str, bytes], golden: Golden, architecture: str, precision: Precision
) -> Manifest:
    target = Target(
        name="value",
        unit="1",
        scale="other",
        higher_means="nothing",
        description="Of random weights.",
        mean=0,
        standard_deviation=1,
    )
    provenance = Provenance(
        architecture=architecture,
        parameters=1,
        config={},
        data_sha256=hashlib.sha256(b"").hexdigest(),
        code_version="0",
        command="make bench",
    )
    return Manifest(
        format=1,
        name=name,
        version="0.0.0",
        summary="Random weights, for benchmarks.",
        task="benchmark",
        organism="none",
        assembly=None,
        targets=(target,),
        input=rules,
        precision=precision,
        scores=(),
        parity=Parity(largest_difference=0, shapes=()),
        golden=golden,
        provenance=provenance,
        citation="none",
        licence="Apache-2.0",
        intended_use="Benchmarks.",
        limits="It predicts nothing.",
        files=digests(files),
    )
