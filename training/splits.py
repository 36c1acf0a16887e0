"""Which rows a model learns from, is tuned on, and is measured on.

Related rows stay together: a model that saw a sequence's neighbour in the tiled library would be measured on its
memory. A random split is here only to compare with published numbers that used one.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from training.config import SplitConfig
from training.datasets.homology import Pairs, chained_rows, equal_rows
from training.datasets.table import SPLITS, Table
from training.errors import SplitError


def assign_splits(table: Table, config: SplitConfig) -> Table:
    """The table with its split labels, and without the rows that have none.

    Raises:
        SplitError: a split is empty, or a group stands in two of them (unless the split is `random`).
    """
    labels = table.splits
    if config.by != "column":
        labels = {"group": _by_group, "random": _by_row}[config.by](table, config)
    labelled = replace(table, splits=labels).rows(labels != "")
    for name in SPLITS:
        if not np.any(labelled.splits == name):
            raise SplitError(f"split.by = {config.by!r} leaves no rows in {name}")
    if config.by != "random":
        refuse_leaks(labelled)
    return labelled


def refuse_leaks(table: Table) -> None:
    """Check that neither a group nor a sequence stands in two splits.

    Raises:
        SplitError: one does.
    """
    _refuse_pairs(table, chained_rows(table.groups), "homology groups stand")
    _refuse_pairs(table, equal_rows(table.sequences), "sequences stand")


def _refuse_pairs(table: Table, related: Pairs, what: str) -> None:
    """Refuse a table in which any two rows of a pair have different labels."""
    apart = related[table.splits[related[:, 0]] != table.splits[related[:, 1]]]
    if not len(apart):
        return
    one, other = (f"{table.ids[row]} ({table.splits[row]})" for row in apart[0])
    many = len(np.unique(table.groups[apart[:, 0]]))
    raise SplitError(f"{many} {what} in more than one split, such as that of {one} and {other}; use split.by = 'group'")


def _by_group(table: Table, config: SplitConfig) -> npt.NDArray[np.str_]:
    names, sizes = np.unique(table.groups, return_counts=True)
    order = np.random.default_rng(config.seed).permutation(len(names))
    # Groups that would fill a held-out split alone come last, where the training rows are.
    too_large = sizes[order] > min(config.valid_fraction, config.test_fraction) * len(table) / 2
    order = np.concatenate([order[~too_large], order[too_large]])
    label_of = dict(zip(names[order].tolist(), _cut(sizes[order], config), strict=True))
    return np.array([label_of[group] for group in table.groups.tolist()], dtype=np.str_)


def _by_row(table: Table, config: SplitConfig) -> npt.NDArray[np.str_]:
    order = np.random.default_rng(config.seed).permutation(len(table))
    labels = np.empty(len(table), dtype="<U5")
    labels[order] = _cut(np.ones(len(table), dtype=np.int64), config)
    return labels


def _cut(sizes: npt.NDArray[np.int64], config: SplitConfig) -> npt.NDArray[np.str_]:
    """Label consecutive groups: the first rows are the test split, the next valid, the rest train."""
    before = (np.cumsum(sizes) - sizes) / sizes.sum()
    held_out = config.test_fraction + config.valid_fraction
    return np.where(before < config.test_fraction, "test", np.where(before < held_out, "valid", "train"))
