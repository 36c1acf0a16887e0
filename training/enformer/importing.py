"""An Enformer's folder becomes a bundle: the files give the weights, a card says which tracks are read and where."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

from app.bundle import Input, Window
from training.backbones.enformer import EnformerShape
from training.config import BundleConfig
from training.enformer.card import EnformerCard
from training.enformer.regressor import EnformerRegressor
from training.errors import ConfigError
from training.export import Description, Export, write_bundle
from training.feeder import Feeder
from training.published.enformer import load_enformer, read_enformer_shape
from training.published.source import checkpoint_folder, shown_source
from training.published.weights import weight_digests


@dataclass(frozen=True)
class PublishedEnformer:
    """An Enformer's files.

    Attributes:
        folder: where they are.
        name: what the manifest calls them.
        shape: sizes, as `config.json` says them.
    """

    folder: Path
    name: str
    shape: EnformerShape


def find_enformer(source: str) -> PublishedEnformer:
    """Find an Enformer's files and read its sizes.

    Args:
        source: a folder or Hub id.

    Raises:
        CheckpointError: a file is missing, or the sizes belong to no model.
    """
    folder = checkpoint_folder(source)
    return PublishedEnformer(folder, shown_source(source), read_enformer_shape(folder))


def import_enformer(found: PublishedEnformer, card: EnformerCard, models: Path, command: str) -> Export:
    """Write an Enformer's bundle.

    Args:
        found: its files.
        card: what the manifest says beyond them.
        models: the folder of bundles.
        command: that imports it again, for the manifest.

    Raises:
        CheckpointError: the weights are damaged or do not fit.
        ConfigError: the card does not belong to the model.
        ExportRefused: ONNX Runtime predicts something else than torch.
    """
    model, feeder = load_regressor(found, card)
    tracks = {target.name: target.tracks for target in card.targets}
    config = {"model": asdict(_shape(found, card)), "readout": asdict(card.readout), "tracks": tracks}
    described = Description(
        bundle=card.bundle,
        quantities=card.targets,
        architecture=_architecture(found, card),
        config=config | {"checkpoint": found.name, "files": weight_digests(found.folder)},
        command=command,
        golden_sequences=_filling(card.bundle),
    )
    return write_bundle(model, feeder, described, models)


def load_regressor(found: PublishedEnformer, card: EnformerCard) -> tuple[EnformerRegressor, Feeder]:
    """The model, ready to predict in its targets' units, and what makes its inputs.

    Raises:
        CheckpointError: the weights are damaged or do not fit.
        ConfigError: the card does not belong to the model.
    """
    backbone = load_enformer(found.folder, _shape(found, card), card.bundle.max_bases)
    model = EnformerRegressor(backbone, card.targets, card.readout)
    return model.eval(), Feeder(_input_rules(card.bundle), {})


def _shape(found: PublishedEnformer, card: EnformerCard) -> EnformerShape:
    return replace(found.shape, gamma_peak=card.readout.gamma_peak)


def _input_rules(bundle: BundleConfig) -> Input:
    bases = bundle.max_bases
    downstream = bases // 2
    # Trained on the plus strand: a gene's own strand does not turn the window.
    window = Window(anchor="tss", upstream_bases=bases - downstream, downstream_bases=downstream, strand_specific=False)
    return Input(
        encoding="one_hot",
        ambiguous=bundle.ambiguous,
        min_bases=bases,
        max_bases=bases,
        max_tokens=bases,
        window=window,
    )


def _filling(bundle: BundleConfig) -> tuple[str, ...]:
    """The golden sequences, each repeated until it fills the window."""
    if not all(bundle.golden_sequences):
        raise ConfigError("bundle.golden_sequences: one of them is empty")
    bases = bundle.max_bases
    return tuple((text * (bases // len(text) + 1))[: max(bases, len(text))] for text in bundle.golden_sequences)


def _architecture(found: PublishedEnformer, card: EnformerCard) -> str:
    shape = found.shape
    sizes = f"{shape.downsamples} poolings to bins of {shape.bin_bases} bases, {shape.layers} attention layers"
    read = f"mean of {card.readout.organism} tracks in {card.readout.bins} bins around the window's middle"
    return f"Enformer ({sizes} of width {shape.width} and {shape.heads} heads), weights from {found.name}; {read}."
