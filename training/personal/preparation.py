"""The first step: people, folds, everybody's segments and their embeddings, as every later step reads them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from app.genome.intervals import Interval
from app.genome.reference import Reference
from training.checkpoint import write_atomically
from training.datasets.files import require
from training.datasets.geuvadis import CONTIG, GENOTYPES, OBTAINED, REFERENCE, read_geuvadis, read_levels
from training.datasets.people import Gene, People, load_people
from training.datasets.table import Floats
from training.errors import DataError
from training.people.folds import FOLDS, deal_folds, load_folds, save_folds
from training.personal.backbone import LoadedBackbone, load_embedder
from training.personal.config import PersonalConfig
from training.personal.cutting import CutGenes, cut_genes, is_on, read_genotypes, reference_segments, unpacked_reference
from training.personal.embedding import embedded_once, segment_feeder
from training.personal.fit import PersonalData
from training.personal.pretraining import pretrain_backbone
from training.published.source import CONFIG, checkpoint_folder
from training.watching import Watcher

WHOLE = Interval(CONTIG, 0, 1 << 31)
"""As much of the contig as a file has."""

PEOPLE, SEGMENTS, ORIGIN, BACKBONE = "people.npz", "segments.npz", "prepared.json", "backbone"


@dataclass(frozen=True, eq=False)
class PreparedPersonal:
    """What personal models start from.

    Attributes:
        people: with the genes whose windows the reference has, and no others.
        folds: (people,) the fold that tests each person.
        sequences: the distinct segments, the rows of `data.embeddings`.
    """

    people: People
    folds: npt.NDArray[np.int64]
    sequences: tuple[str, ...]
    data: PersonalData


def backbone_folder(config: PersonalConfig, folder: Path) -> Path:
    """Where the backbone's checkpoint lies: the configured one, or the one that was made here.

    Raises:
        CheckpointError: the configured one cannot be found.
    """
    return checkpoint_folder(config.checkpoint) if config.checkpoint else folder / BACKBONE


def load_backbone(config: PersonalConfig, folder: Path) -> LoadedBackbone:
    """The backbone, ready to embed.

    Raises:
        CheckpointError: it is missing or damaged.
    """
    return load_embedder(backbone_folder(config, folder))


def prepare_personal(config: PersonalConfig, data: Path, folder: Path, watcher: Watcher) -> PreparedPersonal:
    """Read people, pre-train a backbone if none is given, cut everybody's segments and embed each distinct one.

    Args:
        config: what to read and how to cut.
        data: the folder that holds the data sets' folders.
        folder: of this bundle's runs.
        watcher: is told how far it is.

    Raises:
        DataError: the data set is missing or not what it should be.
        CheckpointError: the backbone's checkpoint is missing or damaged.
    """
    source = data / config.data.folder
    require(source, (GENOTYPES, REFERENCE), OBTAINED)
    folder.mkdir(parents=True, exist_ok=True)
    reference = Reference(unpacked_reference(source / REFERENCE, folder))
    try:
        _pretrain(config, reference, folder, watcher)
        people = _on_reference(read_geuvadis(source), config, reference)
        levelled, levels = read_levels(source, people.ids)
        kept = [is_on(reference, gene, config.segments) for gene in levelled]
        level_genes = [gene for gene, on in zip(levelled, kept, strict=True) if on]
        cut = _cut(config, people, level_genes, source, reference)
    finally:
        reference.close()
    people.save(folder / PEOPLE)
    save_folds(folder / FOLDS, people.ids, deal_folds(people.ids, config.folds.count, config.folds.seed))
    _save(folder / SEGMENTS, cut, levels[:, kept])
    backbone = load_backbone(config, folder)
    embedded_once(backbone, segment_feeder(config.segments, backbone), cut.sequences, folder, watcher)
    # Last, so that a folder which was prepared in part is not taken for a whole one.
    write_atomically(folder / ORIGIN, json.dumps(_origin(config), indent=2).encode() + b"\n")
    return load_prepared_personal(config, folder, watcher)


def load_prepared_personal(config: PersonalConfig, folder: Path, watcher: Watcher) -> PreparedPersonal:
    """Read what `prepare_personal` wrote.

    Raises:
        DataError: it has not been run, or for another configuration.
    """
    path = folder / ORIGIN
    if not path.is_file() or json.loads(path.read_bytes()) != _origin(config):
        raise DataError(f"{folder} was not prepared with this configuration: run `python -m training prepare`")
    people = load_people(folder / PEOPLE)
    with np.load(folder / SEGMENTS, allow_pickle=False) as archive:
        arrays = dict(archive)
    sequences = tuple(text.decode() for text in arrays["sequences"].tolist())
    backbone = load_backbone(config, folder)
    feeder = segment_feeder(config.segments, backbone)
    embeddings = embedded_once(backbone, feeder, sequences, folder, watcher)
    data = PersonalData(
        embeddings,
        arrays["rows"],
        arrays["reference_rows"],
        people.expression,
        arrays["level_rows"],
        arrays["levels"],
    )
    return PreparedPersonal(people, load_folds(folder / FOLDS, people.ids), sequences, data)


def _pretrain(config: PersonalConfig, reference: Reference, folder: Path, watcher: Watcher) -> None:
    if config.checkpoint or (folder / BACKBONE / CONFIG).is_file():
        return
    bases = reference.stretch(WHOLE).in_model_letters().bases
    figures = pretrain_backbone(
        config.pretraining, bases, config.segments.bases, folder / BACKBONE, config.seed, watcher
    )
    watcher.say(
        f"backbone: perplexity of hidden six-mers {figures['perplexity']:,.0f}, "
        f"by their frequencies {figures['frequency_perplexity']:,.0f}"
    )


def _on_reference(people: People, config: PersonalConfig, reference: Reference) -> People:
    kept = [column for column, gene in enumerate(people.genes) if is_on(reference, gene, config.segments)]
    if not kept:
        raise DataError("the reference holds no gene's whole window: make the segments fewer or shorter")
    genes = tuple(people.genes[column] for column in kept)
    return People(people.ids, people.variants, people.dosages, genes, people.expression[:, kept], people.unit)


@dataclass(frozen=True, eq=False)
class _Cut:
    cut: CutGenes
    level_rows: npt.NDArray[np.int32]

    @property
    def sequences(self) -> tuple[str, ...]:
        return self.cut.sequences


def _cut(config: PersonalConfig, people: People, level_genes: list[Gene], source: Path, reference: Reference) -> _Cut:
    genotypes = read_genotypes(source / GENOTYPES, WHOLE)
    own = cut_genes(people.genes, people.ids, genotypes, reference, config.segments)
    row_of = {text: row for row, text in enumerate(own.sequences)}
    level_rows = [
        [row_of.setdefault(text, len(row_of)) for text in reference_segments(gene, reference, config.segments)]
        for gene in level_genes
    ]
    cut = CutGenes(tuple(row_of), own.rows, own.reference_rows)
    return _Cut(cut, np.array(level_rows, dtype=np.int32))


def _save(path: Path, cut: _Cut, levels: Floats) -> None:
    partial = path.with_name(f".{path.name}")
    np.savez_compressed(
        partial,
        allow_pickle=False,
        sequences=np.array([text.encode() for text in cut.sequences]),
        rows=cut.cut.rows,
        reference_rows=cut.cut.reference_rows,
        level_rows=cut.level_rows,
        levels=levels,
    )
    partial.replace(path)


def _origin(config: PersonalConfig) -> dict[str, Any]:
    made = {"checkpoint": config.checkpoint, "pretraining": asdict(config.pretraining)}
    return {"data": asdict(config.data), "folds": asdict(config.folds), "segments": asdict(config.segments)} | made
