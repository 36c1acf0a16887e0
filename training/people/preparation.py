"""The first step: a data set of people, and their folds, as every later step reads them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from training.checkpoint import write_atomically
from training.datasets.eqtl_catalogue import OBTAINED as EQTL_CATALOGUE
from training.datasets.eqtl_catalogue import read_eqtl_catalogue
from training.datasets.geuvadis import OBTAINED as GEUVADIS
from training.datasets.geuvadis import read_geuvadis
from training.datasets.people import People, load_people
from training.errors import DataError
from training.people.config import PeopleConfig, PeopleData
from training.people.folds import FOLDS, deal_folds, load_folds, save_folds

PEOPLE = "people.npz"
ORIGIN = "prepared.json"
OBTAINED = {"geuvadis": GEUVADIS, "eqtl_catalogue": EQTL_CATALOGUE}


@dataclass(frozen=True)
class PreparedPeople:
    """What models of people start from.

    Attributes:
        folds: (people,) the fold that tests each person.
    """

    people: People
    folds: npt.NDArray[np.int64]


def prepare_people(config: PeopleConfig, data: Path, folder: Path) -> PreparedPeople:
    """Read the data set, deal its people into folds, and write both.

    Args:
        config: what to read and how to deal.
        data: the folder that holds the data sets' folders.
        folder: of this bundle's runs.

    Raises:
        DataError: the data set is missing or not what it should be.
    """
    people = _read(config.data, data)
    folds = deal_folds(people.ids, config.folds.count, config.folds.seed)
    folder.mkdir(parents=True, exist_ok=True)
    people.save(folder / PEOPLE)
    save_folds(folder / FOLDS, people.ids, folds)
    # Last, so that a folder which was prepared in part is not taken for a whole one.
    write_atomically(folder / ORIGIN, json.dumps(_origin(config), indent=2).encode() + b"\n")
    return PreparedPeople(people, folds)


def load_prepared_people(config: PeopleConfig, folder: Path) -> PreparedPeople:
    """Read what `prepare_people` wrote.

    Raises:
        DataError: it has not been run, or for another configuration.
    """
    people = load_people(folder / PEOPLE)
    path = folder / ORIGIN
    if not path.is_file() or json.loads(path.read_bytes()) != _origin(config):
        raise DataError(f"{folder} was prepared with another [data] or [folds]: run `python -m training prepare` again")
    return PreparedPeople(people, load_folds(folder / FOLDS, people.ids))


def _read(config: PeopleData, data: Path) -> People:
    folder = data / config.folder
    if not folder.is_dir():
        raise DataError(
            f"{folder}: no such folder; name the folder that holds {config.folder}/ with --data. "
            f"{OBTAINED[config.source]}"
        )
    return (
        read_eqtl_catalogue(folder) if config.source == "eqtl_catalogue" else read_geuvadis(folder, config.expression)
    )


def _origin(config: PeopleConfig) -> dict[str, Any]:
    return {"data": asdict(config.data), "folds": asdict(config.folds)}
