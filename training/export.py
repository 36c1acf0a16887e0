"""Writing a bundle: the graph, its tokenizer, the manifest and the model card, all of it checked before it appears.

`write_bundle` does it for any model; `export` says what a trained pipeline's bundle is to hold.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

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
    Score,
    Target,
    digests,
    read_bundle,
)
from app.engine import OnnxModel
from app.segmented_engine import open_graphs
from training.card import model_card
from training.code_version import code_version
from training.config import BundleWords
from training.datasets.table import Quantity
from training.errors import ExportRefused
from training.evaluate import Evaluation, weights_sha256
from training.feeder import Feeder, predict_rows
from training.graph import export_graph
from training.parity import measure_parity
from training.pipeline import Pipeline
from training.regressor import ScaledModel
from training.tokenizers.building import TrainedTokenizer

GOLDEN_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Export:
    """A bundle that was written.

    Attributes:
        folder: where it is.
        manifest: what it says.
    """

    folder: Path
    manifest: Manifest


@dataclass(frozen=True)
class Description:
    """What a bundle says of a model beyond what its export measures.

    Attributes:
        bundle: names, limits and texts.
        quantities: the targets, in the order of the outputs.
        architecture: what the model is, in a sentence.
        config: everything that made the model, as JSON types.
        command: that makes the bundle again.
        data_sha256: digest of the table it was trained on; None where that is not known.
        scores: test figures.
        golden_sequences, golden_dosages: what the golden examples are of: dosages for that encoding, else sequences.
    """

    bundle: BundleWords
    quantities: tuple[Quantity, ...]
    architecture: str
    config: dict[str, Any]
    command: str
    data_sha256: str | None = None
    scores: tuple[Score, ...] = ()
    golden_sequences: tuple[str, ...] = ()
    golden_dosages: tuple[tuple[float, ...], ...] = ()


def export(pipeline: Pipeline, evaluation: Evaluation, models: Path, command: str) -> Export:
    """Write the bundle of a trained pipeline.

    Args:
        pipeline: of the trained model.
        evaluation: of the same weights.
        models: the folder of bundles.
        command: that trains the model again, for the manifest.

    Raises:
        ExportRefused: the figures are of other weights, or the graph predicts something else than the model.
    """
    if evaluation.weights_sha256 != weights_sha256(pipeline.folder):
        raise ExportRefused("the model was trained again after its figures were taken; run evaluate once more")
    feeder = pipeline.feeder
    tokenizer = pipeline.prepared.tokenizer if feeder.rules.encoding == "tokens" else None
    described = Description(
        bundle=pipeline.config.bundle,
        quantities=pipeline.prepared.table.quantities,
        architecture=architecture(pipeline.config.architecture, tokenizer),
        config=pipeline.config.as_dict(),
        command=command,
        data_sha256=pipeline.data_sha256,
        scores=evaluation.scores,
        golden_sequences=pipeline.golden_sequences,
    )
    return write_bundle(pipeline.load(), feeder, described, models)


def architecture(description: str, tokenizer: TrainedTokenizer | None) -> str:
    """What a model is, and what it reads.

    Args:
        description: of the model.
        tokenizer: None for one that reads bases.
    """
    return description + (f" Tokens: {tokenizer.source}" if tokenizer else "")


def write_bundle(model: ScaledModel, feeder: Feeder, described: Description, models: Path) -> Export:
    """Write a bundle beside its place, load it as the service does, and rename it.

    Args:
        model: on the CPU, in evaluation mode.
        feeder: makes its inputs.
        described: what the manifest says of it.
        models: the folder of bundles.

    Raises:
        ExportRefused: the graph predicts something else than the model.
    """
    files = {GRAPH: export_graph(model, feeder), **feeder.files}
    draft = _manifest(model, feeder, described, files)
    parity = measure_parity(model, feeder, OnnxModel(Bundle(draft, "", files)))
    manifest = draft.model_copy(update={"parity": parity})
    files[CARD] = model_card(manifest, described.bundle.title, described.bundle.card)
    manifest = manifest.model_copy(update={"files": digests(files)})
    return Export(write_files(models / described.bundle.name, files | {MANIFEST: manifest.to_json()}), manifest)


def _manifest(model: ScaledModel, feeder: Feeder, described: Description, files: dict[str, bytes]) -> Manifest:
    return Manifest(
        format=1,
        targets=_targets(described, model),
        input=feeder.rules,
        precision="fp32",
        scores=described.scores,
        parity=Parity(largest_difference=0, shapes=()),
        golden=_golden(described, model, feeder),
        provenance=Provenance(
            architecture=described.architecture,
            parameters=sum(parameter.numel() for parameter in model.parameters()),
            config=described.config,
            data_sha256=described.data_sha256,
            code_version=code_version(),
            command=described.command,
        ),
        files=digests(files),
        **described.bundle.manifest_fields(),
    )


def _targets(described: Description, model: ScaledModel) -> tuple[Target, ...]:
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
        for column, quantity in enumerate(described.quantities)
    )


def _golden(described: Description, model: ScaledModel, feeder: Feeder) -> Golden:
    names = [quantity.name for quantity in described.quantities]
    rows = feeder.encode(described.golden_sequences)
    rows += [np.array(dosage, dtype=np.float32) for dosage in described.golden_dosages]
    inputs: list[dict[str, Any]] = [{"sequence": sequence} for sequence in described.golden_sequences]
    inputs += [{"dosage": dosage} for dosage in described.golden_dosages]
    examples = tuple(
        GoldenExample.model_validate(given | {"values": dict(zip(names, values, strict=True))})
        for given, values in zip(inputs, predict_rows(model, feeder, rows).tolist(), strict=True)
    )
    return Golden(tolerance=GOLDEN_TOLERANCE, examples=examples)


def write_files(folder: Path, files: dict[str, bytes]) -> Path:
    """Write a bundle beside its place, read it back as the service does, rename."""
    beside, replaced = folder.with_name(f".{folder.name}.partial"), folder.with_name(f".{folder.name}.replaced")
    for leftover in (beside, replaced):
        shutil.rmtree(leftover, ignore_errors=True)
    beside.mkdir(parents=True)
    for name, content in files.items():
        (beside / name).write_bytes(content)
    open_graphs(read_bundle(beside))
    if folder.exists():
        folder.rename(replaced)
    beside.rename(folder)
    shutil.rmtree(replaced, ignore_errors=True)
    return folder
