"""A finished bundle becomes one in 8 bits, under another name, with what that changed in its manifest and card."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from app.bundle import (
    CARD,
    GRAPH,
    MANIFEST,
    NAME_PATTERN,
    Bundle,
    Golden,
    Manifest,
    Quantised,
    Score,
    digests,
)
from app.encoding import Ids
from app.golden import sequences
from training.card import model_card
from training.code_version import code_version
from training.datasets.table import Floats
from training.errors import ExportRefused
from training.export import Export, write_files
from training.feeder import Feeder
from training.quantisation.calibration import measure_ranges
from training.quantisation.material import Material, made_up_rows
from training.quantisation.measuring import batch_difference, difference
from training.quantisation.products import share_of_weights
from training.quantisation.running import CpuGraph
from training.quantisation.scores import scores_in_8_bits, scores_of_fp32
from training.quantisation.static import quantise_products
from training.quantisation.weights import quantise_weights

EightBits = Literal["int8-weights", "int8"]
TOLERANCE = 1e-2
"""Of golden examples and of batches, in standard deviations of a target: kernels for 8 bits round as their CPU does."""


LEAST_SHARE = 0.5


@dataclass(frozen=True)
class Compared:
    """What both graphs answered.

    Attributes:
        what: was asked, in words.
        quantised, single: (rows, targets), in 8 bits and in single precision.
    """

    what: str
    quantised: Floats
    single: Floats


def quantise(bundle: Bundle, precision: EightBits, folder: Path, material: Material | None) -> Export:
    """Write a bundle's like in 8 bits.

    Args:
        bundle: in single precision, of one graph over tokens or bases.
        precision: `int8-weights`: of the weights alone; `int8`: of the activations too.
        folder: of the new bundle; its name is that of the folder.
        material: rows of the table it was trained on; None: random ones are compared, and nothing is scored again.

    Raises:
        ExportRefused: 8 bits are not for this bundle, or its answers would depend on their batch.
        DataError: the rows are of another table.
    """
    _refuse_unfit(bundle.manifest, folder, precision, material)
    feeder = Feeder(bundle.manifest.input, bundle.files)
    calibration = feeder.encode(material.train.sequences) if material and precision == "int8" else []
    graph = _in_8_bits(bundle.files[GRAPH], precision, feeder, calibration)
    single, quantised = CpuGraph(bundle.files[GRAPH], feeder), CpuGraph(graph, feeder)
    compared = _compare(single, quantised, feeder, material)
    files = {name: content for name, content in bundle.files.items() if name != CARD} | {GRAPH: graph}
    changes = {
        "name": folder.name,
        "precision": precision,
        "quantised": _measured(bundle, quantised, feeder, compared, len(calibration)),
        "scores": _scores(bundle.manifest, compared, material),
        "golden": _golden(bundle.manifest, quantised, feeder),
        "provenance": bundle.manifest.provenance.model_copy(
            update={
                "command": f"{bundle.manifest.provenance.command} && {_command(bundle, precision, material)}",
                "code_version": code_version(),
            }
        ),
    }
    return _write(bundle.manifest.model_copy(update=changes), files, _title(bundle), folder)


def _refuse_unfit(manifest: Manifest, folder: Path, precision: EightBits, material: Material | None) -> None:
    if manifest.precision != "fp32":
        raise ExportRefused(
            f"{manifest.name} is in {manifest.precision}; quantise the bundle in fp32 that it is made of"
        )
    if not re.fullmatch(NAME_PATTERN, folder.name):
        raise ExportRefused(f"{folder.name!r} is no name of a bundle: up to 64 of a-z, 0-9, dot, dash and _")
    if manifest.input.segments or not manifest.input.reads_sequences:
        what = "reads genotypes" if not manifest.input.reads_sequences else "compares segments that hardly differ"
        raise ExportRefused(f"{manifest.name} {what}, which 8 bits would blur; it stays in fp32")
    if material is None and precision == "int8":
        raise ExportRefused("int8 takes the scales of activations from training rows: name their --config, prepared")


def _in_8_bits(graph: bytes, precision: EightBits, feeder: Feeder, calibration: Sequence[Ids]) -> bytes:
    share = share_of_weights(graph)
    if share < LEAST_SHARE:
        raise ExportRefused(
            f"8 bits would hold {share:.0%} of the numbers, those of larger matrix products; convolutions and tables "
            "of embeddings stay as they are, so the bundle would gain nothing"
        )
    if precision == "int8":
        return quantise_products(graph, measure_ranges(graph, feeder, calibration))
    return quantise_weights(graph)


def _compare(single: CpuGraph, quantised: CpuGraph, feeder: Feeder, material: Material | None) -> Compared:
    rows, what = made_up_rows(feeder), "random inputs"
    if material is not None:
        rows, what = feeder.encode(material.test.sequences), "test rows"
    return Compared(what, quantised.predict(rows), single.predict(rows))


def _measured(
    bundle: Bundle, quantised: CpuGraph, feeder: Feeder, compared: Compared, calibration_rows: int
) -> Quantised:
    spread = np.array([target.standard_deviation for target in bundle.manifest.targets], dtype=np.float32)
    apart = difference(compared.quantised, compared.single, spread)
    return Quantised(
        fp32_sha256=bundle.sha256,
        calibration_rows=calibration_rows,
        compared=compared.what,
        compared_rows=len(compared.single),
        largest_difference=apart.largest,
        rms_difference=apart.rms,
        largest_batch_difference=batch_difference(quantised, feeder, spread, TOLERANCE),
    )


def _scores(manifest: Manifest, compared: Compared, material: Material | None) -> tuple[Score, ...]:
    if material is None:
        return scores_of_fp32(manifest.scores)
    return scores_in_8_bits(manifest, material, compared.quantised, compared.single)


def _golden(manifest: Manifest, quantised: CpuGraph, feeder: Feeder) -> Golden:
    """The same sequences, and what the graph in 8 bits answers for them."""
    values = quantised.alone(feeder.encode(sequences(manifest.golden))).tolist()
    examples = tuple(
        example.model_copy(update={"values": dict(zip(manifest.target_names, of, strict=True))})
        for example, of in zip(manifest.golden.examples, values, strict=True)
    )
    return Golden(tolerance=TOLERANCE, examples=examples)


def _command(bundle: Bundle, precision: EightBits, material: Material | None) -> str:
    table = f" --config {material.config.bundle.name}.toml" if material else ""
    return f"python -m training quantise {bundle.manifest.name} --precision {precision}{table}"


def _title(bundle: Bundle) -> str:
    """The heading of the model card."""
    heading = bundle.files.get(CARD, b"").decode().partition("\n")[0]
    return heading.removeprefix("# ") or bundle.manifest.name


def _write(manifest: Manifest, files: dict[str, bytes], title: str, folder: Path) -> Export:
    words = manifest.provenance.config.get("bundle", {})
    files[CARD] = model_card(manifest, title, words.get("card", ""))
    manifest = manifest.model_copy(update={"files": digests(files)})
    return Export(write_files(folder, files | {MANIFEST: manifest.to_json()}), manifest)
