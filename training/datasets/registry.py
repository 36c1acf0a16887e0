"""Every data set by the name that a configuration calls it."""

from __future__ import annotations

import csv
import lzma
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from training.datasets import ecoli, epd_gtex, gtex_genome, levels, own_table, plasmodium, siegel, utrseq, yeast
from training.datasets.files import require
from training.datasets.options import SourceName
from training.datasets.recipe import DataConfig
from training.datasets.table import Table
from training.errors import ConfigError, DataError

UNREADABLE = (ValueError, KeyError, IndexError, OSError, EOFError, lzma.LZMAError, csv.Error)


@dataclass(frozen=True)
class Source:
    """A data set.

    Attributes:
        read: makes its table from its folder.
        obtained: a sentence on where a person gets the files.
        files: that must be in the folder; what depends on the configuration is checked by the reader.
        has_choice: of targets, by `data.targets`.
    """

    read: Callable[[Path, DataConfig], Table]
    obtained: str
    files: tuple[str, ...] = ()
    has_choice: bool = False


def read_source(config: DataConfig, data: Path) -> Table:
    """Read the data set that the configuration names.

    Args:
        config: which, and how.
        data: the folder that holds the data sets' folders.

    Raises:
        ConfigError: targets are chosen of a data set that has no choice.
        DataError: its folder or files are missing, or not what they should be.
    """
    folder, source = data / config.folder, SOURCES[config.source]
    if not folder.is_dir():
        raise DataError(
            f"{folder}: no such folder; name the folder that holds {config.folder}/ with --data. {source.obtained}"
        )
    require(folder, source.files, source.obtained)
    if config.targets and not source.has_choice:
        raise ConfigError(f"data.targets: {config.source} has no choice of targets; leave it out")
    try:
        return source.read(folder, config)
    except UNREADABLE as error:
        raise DataError(f"{folder}: not the files of {config.source}: {error}. {source.obtained}") from error


def _utrseq(folder: Path, config: DataConfig) -> Table:
    return utrseq.read_utrseq(folder, config.half_weight_umis, config.auxiliary, config.utrseq.reporters)


def _plasmodium(folder: Path, config: DataConfig) -> Table:
    return plasmodium.read_plasmodium(folder, config.window, config.grouping, config.auxiliary)


def _epd_gtex(folder: Path, config: DataConfig) -> Table:
    return epd_gtex.read_epd_gtex(folder, config.targets or epd_gtex.DEFAULT_TISSUES, config.auxiliary)


def _siegel(folder: Path, config: DataConfig) -> Table:
    return siegel.read_siegel(folder, config.targets or siegel.CELL_LINES)


def _ecoli(folder: Path, _config: DataConfig) -> Table:
    return ecoli.read_ecoli(folder)


def _yeast(folder: Path, config: DataConfig) -> Table:
    return yeast.read_yeast(folder, config.targets or tuple(yeast.MEDIA))


def _gtex_genome(folder: Path, config: DataConfig) -> Table:
    return gtex_genome.read_gtex_genome(
        folder,
        config.genome,
        config.targets or epd_gtex.DEFAULT_TISSUES,
        config.window,
        config.grouping,
        config.auxiliary,
    )


def _table(folder: Path, config: DataConfig) -> Table:
    return own_table.read_own_table(folder, config.table, config.strand_specific)


def _levels(folder: Path, config: DataConfig) -> Table:
    return levels.read_levels(folder, config.levels)


SOURCES: Mapping[SourceName, Source] = {
    "utrseq": Source(_utrseq, utrseq.OBTAINED),
    "plasmodium": Source(_plasmodium, plasmodium.OBTAINED, plasmodium.FILES),
    "epd_gtex": Source(_epd_gtex, epd_gtex.OBTAINED, epd_gtex.FILES, has_choice=True),
    "siegel": Source(_siegel, siegel.OBTAINED, siegel.FILES, has_choice=True),
    "ecoli": Source(_ecoli, ecoli.OBTAINED, ecoli.FILES),
    "yeast": Source(_yeast, yeast.OBTAINED, yeast.FILES, has_choice=True),
    "gtex_genome": Source(_gtex_genome, gtex_genome.OBTAINED, has_choice=True),
    "table": Source(_table, own_table.OBTAINED),
    "levels": Source(_levels, levels.OBTAINED),
}
