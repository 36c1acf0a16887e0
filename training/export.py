"""Writing a bundle: the graph, its tokenizer, the manifest and the model card, all of it checked before it appears."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from app.bundle import (
    CARD,
    GRAPH,
    MANIFEST,
    Bundle,
    Golden,
    GoldenExample,
    Manifest,
    Parity,
    Provenance,
    Target,
    digests,
    read_bundle,
)
from app.engine import OnnxModel
from training.card import model_card
from training.code_version import code_version
from training.datasets.table import Floats
from training.errors import ExportRefused
from training.evaluate import Evaluation, weights_sha256
from training.feeder import Feeder, predict
from training.graph import export_graph, random_rows
from training.pipeline import Pipeline
from training.regressor import ScaledModel

PARITY_TOLERANCE = 1e-5
GOLDEN_TOLERANCE = 1e-4
PARITY_ROWS = (1, 2, 3, 8)


@dataclass(frozen=True)
class Export:
    """A bundle that was written.

    Attributes:
        folder: where it is.
        manifest: what it says.
    """

    folder: Path
    manifest: Manifest


def export(pipeline: Pipeline, evaluation: Evaluation, models: Path, command: str) -> Export:
    """Write a bundle beside its place, load it as the service does, and rename it.

    Args:
        pipeline: of the trained model.
        evaluation: of the same weights.
        models: the folder of bundles.
        command: that trains the model again, for the manifest.

    Raises:
        ExportRefused: the figures are of other weights, or the graph predicts something else than the model.
    """
    if evaluation.weights_sha256 != weights_sha256(pipeline):
        raise ExportRefused("the model was trained again after its figures were taken; run evaluate once more")
    model, feeder = pipeline.load(), pipeline.feeder
    files = {GRAPH: export_graph(model, feeder), **feeder.files}
    draft = _manifest(pipeline, evaluation, model, files, command)
    parity = measure_parity(model, feeder, OnnxModel(Bundle(draft, "", files)))
    manifest = draft.model_copy(update={"parity": parity})
    bundle = pipeline.config.bundle
    files[CARD] = model_card(manifest, bundle.title, bundle.card)
    manifest = manifest.model_copy(update={"files": digests(files)})
    return Export(_write(models / bundle.name, files | {MANIFEST: manifest.to_json()}), manifest)


def measure_parity(model: ScaledModel, feeder: Feeder, served: OnnxModel) -> Parity:
    """Compare torch, one row at a time, with ONNX Runtime on whole, padded batches.

    Raises:
        ExportRefused: they differ by more than `PARITY_TOLERANCE` standard deviations of a target.
    """
    shapes = [(rows, length) for length in _parity_lengths(feeder) for rows in PARITY_ROWS]
    worst = max(_difference(model, feeder, served, rows, length) for rows, length in shapes)
    if not worst <= PARITY_TOLERANCE:  # also true for NaN
        raise ExportRefused(
            f"torch and ONNX Runtime differ by {worst:.3g} standard deviations (allowed: {PARITY_TOLERANCE:g})"
        )
    return Parity(largest_difference=worst, shapes=tuple(shapes))


def _parity_lengths(feeder: Feeder) -> list[int]:
    shortest = 1 if feeder.rules.encoding == "tokens" else feeder.rules.min_bases
    longest = feeder.rules.max_tokens
    return sorted(
        {shortest, shortest + 1, (shortest + longest) // 2, longest - 1, longest} & set(range(shortest, longest + 1))
    )


def _difference(model: ScaledModel, feeder: Feeder, served: OnnxModel, rows: int, length: int) -> float:
    """Largest difference for one shape; token rows are ragged, the first as long as the shape says."""
    lengths = [length] * rows
    if feeder.rules.encoding == "tokens":
        lengths = [length, *np.random.default_rng(length).integers(1, length + 1, size=rows - 1).tolist()]
    batch = random_rows(feeder, lengths, seed=length)
    with torch.no_grad():
        alone: Floats = np.vstack([model(*feeder.tensors([row])).numpy() for row in batch])
    spread = model.standard_deviation[: model.targets].numpy()
    return float(np.max(np.abs(alone - served.predict(batch)) / spread))


def _manifest(
    pipeline: Pipeline, evaluation: Evaluation, model: ScaledModel, files: dict[str, bytes], command: str
) -> Manifest:
    bundle = pipeline.config.bundle
    return Manifest(
        format=1,
        name=bundle.name,
        version=bundle.version,
        summary=bundle.summary,
        task=bundle.task,
        organism=bundle.organism,
        assembly=bundle.assembly or None,
        targets=_targets(pipeline, model),
        input=pipeline.feeder.rules,
        precision="fp32",
        scores=evaluation.scores,
        parity=Parity(largest_difference=0, shapes=()),
        golden=_golden(pipeline, model),
        provenance=Provenance(
            architecture=_architecture(pipeline),
            parameters=sum(parameter.numel() for parameter in model.parameters()),
            config=pipeline.config.as_dict(),
            data_sha256=pipeline.data_sha256,
            code_version=code_version(),
            command=command,
        ),
        citation=bundle.citation,
        licence=bundle.licence,
        intended_use=bundle.intended_use,
        limits=bundle.limits,
        files=digests(files),
    )


def _architecture(pipeline: Pipeline) -> str:
    tokenizer = pipeline.prepared.tokenizer if pipeline.feeder.rules.encoding == "tokens" else None
    return pipeline.config.architecture + (f" Tokens: {tokenizer.source}" if tokenizer else "")


def _targets(pipeline: Pipeline, model: ScaledModel) -> tuple[Target, ...]:
    means, deviations = model.mean.tolist(), model.standard_deviation.tolist()
    return tuple(
        Target(
            name=quantity.name,
            unit=quantity.unit,
            scale=quantity.scale,
            pseudocount=quantity.pseudocount,
            higher_means=quantity.higher_means,
            description=quantity.description,
            mean=means[column],
            standard_deviation=deviations[column],
        )
        for column, quantity in enumerate(pipeline.prepared.table.quantities)
    )


def _golden(pipeline: Pipeline, model: ScaledModel) -> Golden:
    sequences = pipeline.config.bundle.golden_sequences
    names = pipeline.prepared.table.targets.names
    predicted = predict(model, pipeline.feeder, sequences).tolist()
    examples = tuple(
        GoldenExample(sequence=sequence, values=dict(zip(names, values, strict=True)))
        for sequence, values in zip(sequences, predicted, strict=True)
    )
    return Golden(tolerance=GOLDEN_TOLERANCE, examples=examples)


def _write(folder: Path, files: dict[str, bytes]) -> Path:
    """Write beside, read back as the service does, rename."""
    beside, replaced = folder.with_name(f".{folder.name}.partial"), folder.with_name(f".{folder.name}.replaced")
    for leftover in (beside, replaced):
        shutil.rmtree(leftover, ignore_errors=True)
    beside.mkdir(parents=True)
    for name, content in files.items():
        (beside / name).write_bytes(content)
    OnnxModel(read_bundle(beside))
    if folder.exists():
        folder.rename(replaced)
    beside.rename(folder)
    shutil.rmtree(replaced, ignore_errors=True)
    return folder
