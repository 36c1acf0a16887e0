"""A bundle with random weights: real in everything that costs time, and in nothing else."""

from __future__ import annotations

import hashlib
from pathlib import Path

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
MODEL = ModelConfig(backbone="dnabert2", width=256, layers=4, heads=4, inner_width=1024)
FULL = ModelConfig(backbone="dnabert2", width=768, layers=12, heads=12, inner_width=3072)  # as it is published


def write_random_bundle(folder: Path, config: ModelConfig = MODEL) -> Path:
    """Write DNABERT-2's architecture, by default with 4 layers of 256, as `folder/random`."""
    rules = Input(
        encoding="tokens", min_bases=1, max_bases=LONGEST_BASES, max_tokens=LONGEST_BASES + 2, pad_token_id=PAD
    )
    tokenizer = train_bpe(random_sequences(500, 500, 1000, seed=1), VOCABULARY)
    feeder = Feeder(rules, {TOKENIZER: tokenizer})
    torch.manual_seed(0)
    model = Regressor(config, outputs=1, targets=1, vocabulary=feeder.vocabulary).eval()
    files = {GRAPH: export_graph(model, feeder), TOKENIZER: tokenizer}
    return write_random(folder / "random", rules, files, _golden(model, feeder), "DNABERT-2's, random weights.")


def _golden(model: Regressor, feeder: Feeder) -> Golden:
    sequence = random_sequences(1, 200, 200, seed=2)[0]
    with torch.no_grad():
        value = float(model(*feeder.tensors(feeder.encode([sequence])))[0, 0])
    return Golden(tolerance=1e-4, examples=(GoldenExample(sequence=sequence, values={"value": value}),))


def write_random(folder: Path, rules: Input, files: dict[str, bytes], golden: Golden, architecture: str) -> Path:
    """Write a bundle of one target, `value`, under the folder's name."""
    folder.mkdir(parents=True)
    manifest = _manifest(folder.name, rules, files, golden, architecture)
    for name, content in (files | {MANIFEST: manifest.to_json()}).items():
        (folder / name).write_bytes(content)
    return folder


def _manifest(name: str, rules: Input, files: dict[str, bytes], golden: Golden, architecture: str) -> Manifest:
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
        precision="fp32",
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
