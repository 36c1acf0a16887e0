"""The export step: both graphs, checked against torch on whole windows, as a bundle."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import torch

from app.bundle import CARD, MANIFEST, TOKENIZER, Golden, GoldenExample, Manifest, Parity, Provenance, Target, digests
from app.engine import feed
from training.card import model_card
from training.code_version import code_version
from training.datasets.people import Gene
from training.datasets.table import Floats
from training.errors import ExportRefused
from training.evaluate import Evaluation
from training.export import GOLDEN_TOLERANCE, Export, write_files
from training.feeder import Feeder
from training.parity import PARITY_TOLERANCE
from training.personal.backbone import LoadedBackbone
from training.personal.card import personal_card
from training.personal.config import PersonalConfig
from training.personal.cutting import Rows
from training.personal.embedding import input_rules, segment_feeder
from training.personal.evaluation import TARGET
from training.personal.fit import FittedHead
from training.personal.graphs import HeadGraph, export_embedder, export_head
from training.personal.preparation import PreparedPersonal
from training.predictions import Predictions

EMBEDDER, HEAD, GENES = "embedder.onnx", "head.onnx", "genes.gtf"
PARITY_WINDOWS = (1, 2, 8)


def export_personal(
    config: PersonalConfig,
    prepared: PreparedPersonal,
    backbone: LoadedBackbone,
    fitted: FittedHead,
    measured: tuple[Evaluation, Predictions],
    models: Path,
    command: str,
) -> Export:
    """Write the bundle.

    Args:
        config: of the model.
        prepared: people, folds and embeddings.
        backbone: the embedder.
        fitted: to everybody.
        measured: its figures, and what was predicted.
        models: the folder of bundles.
        command: that trains the model again, for the manifest.

    Raises:
        ExportRefused: the graphs predict something else than the model.
    """
    evaluation, predictions = measured
    graph = HeadGraph(fitted).eval()
    feeder = segment_feeder(config.segments, backbone)
    files = {
        EMBEDDER: export_embedder(backbone.embedder, feeder),
        HEAD: export_head(graph, config.segments.count, backbone.width),
        TOKENIZER: backbone.tokenizer_json,
        GENES: gene_table(prepared.people.genes),
    }
    model = Torch(backbone, graph)
    parity = measure_parity(model, Onnx(files), feeder, parity_windows(prepared), _spread(prepared))
    manifest = Manifest(
        format=1,
        targets=(_target(config, prepared),),
        input=input_rules(config.segments, backbone),
        precision="fp32",
        scores=evaluation.scores,
        parity=parity,
        golden=_golden(model, feeder, prepared),
        provenance=_provenance(config, prepared, backbone, fitted, command),
        files=digests(files),
        **config.bundle.manifest_fields(),
    )
    files[CARD] = model_card(manifest, config.bundle.title, personal_card(config, prepared, predictions, fitted))
    manifest = manifest.model_copy(update={"files": digests(files)})
    return Export(write_files(models / config.bundle.name, files | {MANIFEST: manifest.to_json()}), manifest)


def gene_table(genes: Sequence[Gene]) -> bytes:
    """The genes and their starts as a GTF, so that the windows asked for are those that were learnt."""
    lines = []
    for gene in genes:
        named = f'gene_id "{gene.id}"; gene_name "{gene.symbol or gene.id}";'
        lines.append("\t".join([gene.contig, "training", "gene", *[str(gene.start)] * 2, ".", gene.strand, ".", named]))
    return ("\n".join(lines) + "\n").encode()


class Torch:
    """The model as it was trained: windows in, values out."""

    def __init__(self, backbone: LoadedBackbone, graph: HeadGraph) -> None:
        self._embedder, self._graph = backbone.embedder, graph

    @torch.no_grad()
    def predict(self, windows: Sequence[Sequence[str]], feeder: Feeder) -> Floats:
        """(windows, 1); one segment at a time."""
        rows = [feeder.encode(window) for window in windows]
        embedded = [torch.cat([self._embedder(*feeder.tensors([row])) for row in window]) for window in rows]
        values: Floats = torch.cat([self._graph(each[None]) for each in embedded]).numpy()
        return values


class Onnx:
    """The graphs as they serve."""

    def __init__(self, files: dict[str, bytes]) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 4
        open_graph = [ort.InferenceSession(files[name], options, ["CPUExecutionProvider"]) for name in (EMBEDDER, HEAD)]
        self._embedder, self._head = open_graph

    def predict(self, windows: Sequence[Sequence[str]], feeder: Feeder) -> Floats:
        """(windows, 1); all segments of a window together, all windows together."""
        embedded = [self._embedder.run(None, feed(feeder.encode(window), feeder.rules))[0] for window in windows]
        values: Floats = self._head.run(None, {"embeddings": np.stack(embedded)})[0]
        return values


def measure_parity(
    model: Torch, served: Onnx, feeder: Feeder, windows: Sequence[Sequence[str]], spread: float
) -> Parity:
    """Compare torch, one segment and one window at a time, with ONNX Runtime on batches.

    Args:
        windows: each the sequences of its segments.
        spread: standard deviation of the target.

    Raises:
        ExportRefused: they differ by more than `PARITY_TOLERANCE` standard deviations.
    """
    expected, shapes, worst = model.predict(windows, feeder), [], 0.0
    for count in PARITY_WINDOWS:
        answered = served.predict(windows[:count], feeder)
        worst = max(worst, float(np.abs(answered - expected[:count]).max()) / spread)
        shapes.append((len(answered), len(windows[0])))
    if not worst <= PARITY_TOLERANCE:
        raise ExportRefused(
            f"torch and ONNX Runtime differ by {worst:.2g} standard deviations, more than {PARITY_TOLERANCE:g}"
        )
    return Parity(largest_difference=worst, shapes=tuple(dict.fromkeys(shapes)))


def parity_windows(prepared: PreparedPersonal) -> list[list[str]]:
    """Of several genes the reference's window, and one that nobody has."""
    genes = np.linspace(0, len(prepared.data.rows) - 1, max(PARITY_WINDOWS) // 2).astype(int)
    windows = [(reference_window(prepared, gene), made_up_window(prepared, gene)) for gene in genes.tolist()]
    return [window for pair in windows for window in pair]


def reference_window(prepared: PreparedPersonal, gene: int) -> list[str]:
    """The segments of a gene's reference."""
    return [prepared.sequences[row] for row in prepared.data.reference_rows[gene]]


def made_up_window(prepared: PreparedPersonal, gene: int) -> list[str]:
    """In each segment another version than the reference's, where there is one: nobody's haplotype."""
    rows, reference = prepared.data.rows[gene], prepared.data.reference_rows[gene]
    return [prepared.sequences[_other(rows[:, :, place], row)] for place, row in enumerate(reference.tolist())]


def _other(rows: Rows, reference: int) -> int:
    others: npt.NDArray[np.int32] = np.unique(rows[rows != reference])
    return int(others[0]) if len(others) else reference


def _golden(model: Torch, feeder: Feeder, prepared: PreparedPersonal) -> Golden:
    """One window, nobody's: it proves as much as it has segments, and a service computes them all at its start."""
    window = made_up_window(prepared, 0)
    (value,) = model.predict([window], feeder)[:, 0].tolist()
    return Golden(
        tolerance=GOLDEN_TOLERANCE, examples=(GoldenExample(sequence="".join(window), values={TARGET: value}),)
    )


def _target(config: PersonalConfig, prepared: PreparedPersonal) -> Target:
    genes = len(prepared.people.genes)
    return Target(
        name=TARGET,
        unit=prepared.people.unit,
        scale="other",
        higher_means="more expressed",
        description=f"Of the gene whose window is asked for, one of {genes}: {config.bundle.measured}.",
        mean=float(prepared.people.expression.mean(dtype=np.float64)),
        standard_deviation=_spread(prepared),
    )


def _spread(prepared: PreparedPersonal) -> float:
    return float(prepared.people.expression.std(dtype=np.float64))


def _provenance(
    config: PersonalConfig, prepared: PreparedPersonal, backbone: LoadedBackbone, fitted: FittedHead, command: str
) -> Provenance:
    modules = backbone.embedder, fitted.head
    return Provenance(
        architecture=_architecture(config, backbone),
        parameters=sum(weights.numel() for module in modules for weights in module.parameters()),
        config=config.as_dict(),
        data_sha256=prepared.people.sha256(),
        code_version=code_version(),
        command=command,
    )


def _architecture(config: PersonalConfig, backbone: LoadedBackbone) -> str:
    head, segments, made = config.head, config.segments, config.checkpoint or "pre-trained on the reference"
    layers = f"{head.layers} transformer layer{'s' if head.layers > 1 else ''}"
    return (
        f"{backbone.sizes} ({made}), in double precision, the mean state of each of {segments.count} segments of "
        f"{segments.bases:,} bases; {layers} of width {head.width} over segments, regime: {config.fit.regime}."
    )
