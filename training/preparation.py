"""The first step: a data set becomes the table, the split and the tokenizer that every later step reads."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from training.checkpoint import write_atomically
from training.config import Config
from training.datasets.registry import read_source
from training.datasets.table import Table, load_table
from training.errors import DataError
from training.published.tokenizer import brought_tokenizer
from training.splits import assign_splits
from training.tokenizers.building import TrainedTokenizer, build_tokenizer, load_tokenizer

TABLE = "table.npz"
ORIGIN = "prepared.json"


@dataclass(frozen=True)
class Prepared:
    """What training starts from.

    Attributes:
        table: with split labels.
        tokenizer: None when no model reads tokens.
    """

    table: Table
    tokenizer: TrainedTokenizer | None


def prepare(config: Config, data: Path, folder: Path) -> Prepared:
    """Read the data set, split it, train the tokenizer on the training rows, and write all of it.

    Args:
        config: what to read and how to split it.
        data: the folder that holds the data sets' folders.
        folder: of this bundle's runs.
    """
    table = assign_splits(read_source(config.data, data), config.split)
    _refuse_unreadable(table, config)
    tokenizer = _tokenizer(config, table, data)
    folder.mkdir(parents=True, exist_ok=True)
    table.save(folder / TABLE)
    if tokenizer is not None:
        tokenizer.save(folder)
    # Last, so that a folder which was prepared in part is not taken for a whole one.
    write_atomically(folder / ORIGIN, json.dumps(_origin(config), indent=2).encode() + b"\n")
    return Prepared(table, tokenizer)


def load_prepared(config: Config, folder: Path) -> Prepared:
    """Read what `prepare` wrote.

    Raises:
        DataError: it has not been run, or for another configuration.
    """
    table = load_table(folder / TABLE)
    _refuse_another_origin(config, folder)
    needed = config.tokenizer is not None or (config.model is not None and config.model.encoding == "tokens")
    return Prepared(table, load_tokenizer(folder) if needed else None)


def _refuse_unreadable(table: Table, config: Config) -> None:
    """A row that the bundle would not accept is found now, and not when it is scored."""
    bundle = config.bundle
    for name, sequence in zip(table.ids, table.sequences, strict=True):
        if not bundle.min_bases <= len(sequence) <= bundle.max_bases:
            raise DataError(
                f"row {name} has {len(sequence)} bases; {bundle.name} accepts {bundle.min_bases} to "
                f"{bundle.max_bases} (bundle.min_bases, bundle.max_bases)"
            )
        if bundle.ambiguous == "refused" and "N" in sequence:
            raise DataError(f"row {name} holds an N; set bundle.ambiguous to 'n', or leave the row out")


def _origin(config: Config) -> dict[str, Any]:
    """What decides the table and the tokenizer, as JSON types."""
    origin = {
        "data": asdict(config.data),
        "split": asdict(replace(config.split, description="")),
        "tokenizer": None if config.tokenizer is None else asdict(config.tokenizer),
        "model.checkpoint": "" if config.model is None else config.model.checkpoint,
    }
    # Through JSON and back, so that a tuple equals the list it is read back as.
    known: dict[str, Any] = json.loads(json.dumps(origin))
    return known


def _refuse_another_origin(config: Config, folder: Path) -> None:
    wanted, path = _origin(config), folder / ORIGIN
    if not path.is_file():
        raise DataError(f"{path} is missing: run `python -m training prepare` again")
    found = json.loads(path.read_bytes())
    if different := [name for name, value in wanted.items() if found.get(name) != value]:
        raise DataError(
            f"{folder / TABLE} was prepared with another {', '.join(different)} than {config.bundle.name} has now: "
            "run `python -m training prepare` again"
        )


def _tokenizer(config: Config, table: Table, data: Path) -> TrainedTokenizer | None:
    if config.tokenizer is not None:
        return build_tokenizer(config.tokenizer, table.split("train"), data)
    return brought_tokenizer(config.model) if config.model is not None and config.model.brings_tokenizer else None
