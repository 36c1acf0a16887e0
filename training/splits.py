"""Which rows a model learns from, is tuned on, and is measured on.

Related rows stay together: a model that saw a sequence's neighbour in the tiled library would be measured on its
memory. A random split is here only to compare with published numbers that used one.

With folds, every row is tested in exactly one of them. Groups are dealt largest first, each to the fold with the fewest
rows so far, equal ones in random order; so folds differ by no more rows than the largest group has, and a group larger
than its share fills a fold alone.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from training.config import SplitConfig
from training.datasets.homology import Pairs, chained_rows, equal_rows, numbered
from training.datasets.table import SPLITS, Table
from training.errors import SplitError


def assign_splits(table: Table, config: SplitConfig) -> Table:
    """The table with its split labels, and without the rows that have none.

    Raises:
        SplitError: a split is empty, or a group stands in two of them (unless the split is `random`).
    """
    labels = table.splits
    if config.folds:
        related = table.groups if config.by == "group" else np.arange(len(table))
        labels = _by_fold(related, config)
    elif config.by != "column":
        labels = {"group": _by_group, "chromosome": _by_chromosome, "random": _by_row}[config.by](table, config)
    elif "valid" not in labels:
        labels = _with_valid(table, config)
    labelled = replace(table, splits=labels).rows(labels != "")
    for name in SPLITS:
        if not np.any(labelled.splits == name):
            hint = "" if np.any(labels != "") else "; the rows have no labels of their own: use split.by = 'group'"
            raise SplitError(f"split.by = {config.by!r} leaves no rows in {name}{hint}")
    if config.by != "random":
        refuse_leaks(labelled)
    return labelled


def refuse_leaks(table: Table) -> None:
    """Check that neither a group nor a sequence stands in two splits.

    Raises:
        SplitError: one does.
    """
    _refuse_pairs(table, chained_rows(table.groups), table.groups.tolist(), "homology groups")
    _refuse_pairs(table, equal_rows(table.sequences), table.sequences, "sequences")


def _refuse_pairs(table: Table, pairs: Pairs, shared: Sequence[int | str], what: str) -> None:
    """Refuse a table in which the rows of a pair, which have something in common, have different labels."""
    apart = pairs[table.splits[pairs[:, 0]] != table.splits[pairs[:, 1]]]
    if not len(apart):
        return
    one, other = (f"{table.ids[row]} ({table.splits[row]})" for row in apart[0])
    many = len({shared[row] for row in apart[:, 0]})
    raise SplitError(
        f"{many} {what} stand in more than one split, such as that of {one} and {other}; use split.by = 'group'"
    )


def deal_folds(groups: npt.NDArray[np.int64], folds: int, seed: int) -> npt.NDArray[np.int64]:
    """Deal whole groups into folds of nearly equal size.

    Args:
        groups: (rows,), equal for rows that stay together.
        folds: how many.
        seed: of the order of groups of one size, and of the folds' numbers.

    Returns:
        (rows,) int64, the fold of each row.
    """
    generator = np.random.default_rng(seed)
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    smallest_first = [(0, int(fold)) for fold in generator.permutation(folds)]
    heapq.heapify(smallest_first)
    fold_of = np.empty(len(sizes), dtype=np.int64)
    for number in np.lexsort((generator.random(len(sizes)), -sizes)):
        rows, fold = smallest_first[0]
        fold_of[number] = fold
        heapq.heapreplace(smallest_first, (rows + int(sizes[number]), fold))
    return fold_of[group]


def _by_fold(groups: npt.NDArray[np.int64], config: SplitConfig) -> npt.NDArray[np.str_]:
    """One fold is the test split; of the other rows whole groups at random are the validation rows."""
    tested = deal_folds(groups, config.folds, config.seed) == config.fold
    rest = groups[~tested]
    names, group, sizes = np.unique(rest, return_inverse=True, return_counts=True)
    generator = np.random.default_rng([config.seed, config.fold])
    order = generator.permutation(len(names))
    wanted = config.valid_fraction * len(rest)
    order = np.concatenate([order[sizes[order] <= wanted / 2], order[sizes[order] > wanted / 2]])
    is_valid = np.zeros(len(names), dtype=np.bool_)
    is_valid[order] = np.cumsum(sizes[order]) - sizes[order] < wanted
    labels = np.full(len(groups), "test", dtype="<U5")
    labels[~tested] = np.where(is_valid[group], "valid", "train")
    return labels


def _by_group(table: Table, config: SplitConfig) -> npt.NDArray[np.str_]:
    return _whole(table.groups, config)


def _by_chromosome(table: Table, config: SplitConfig) -> npt.NDArray[np.str_]:
    """Whole chromosomes; a row with a relative on a chromosome that is held out more strictly is left out."""
    if not table.contigs:
        raise SplitError("split.by = 'chromosome', but the rows of this data set lie on none; use split.by = 'group'")
    contigs, present = np.array(table.contigs), sorted(set(table.contigs))
    for name in (*config.valid_chromosomes, *config.test_chromosomes):
        if name not in present:
            raise SplitError(f"split: no row lies on chromosome {name}; there are {', '.join(present)}")
    if config.test_chromosomes:
        held_out = [np.isin(contigs, config.test_chromosomes), np.isin(contigs, config.valid_chromosomes)]
        labels = np.select(held_out, ["test", "valid"], "train")
    else:
        labels = _whole(numbered(contigs), config)
    rank = np.array([SPLITS.index(label) for label in labels.tolist()])
    strictest = np.zeros(table.groups.max() + 1, dtype=np.int64)
    np.maximum.at(strictest, table.groups, rank)
    return np.where(rank < strictest[table.groups], "", labels)


def _with_valid(table: Table, config: SplitConfig) -> npt.NDArray[np.str_]:
    """The data set's own split, where it has none to choose the epoch on: a share of its training groups."""
    train = np.flatnonzero(table.splits == "train")
    if not len(train):
        return table.splits
    shares = replace(config, test_fraction=config.valid_fraction)
    drawn = _whole(table.groups[train], shares)
    labels = table.splits.astype("<U5")
    labels[train[drawn == "test"]] = "valid"
    return labels


def _whole(groups: npt.NDArray[np.int64], config: SplitConfig) -> npt.NDArray[np.str_]:
    """(rows,) labels that are the same within each group."""
    names, sizes = np.unique(groups, return_counts=True)
    order = np.random.default_rng(config.seed).permutation(len(names))
    # Groups that would fill a held-out split alone come last, where the training rows are.
    too_large = sizes[order] > min(config.valid_fraction, config.test_fraction) * len(groups) / 2
    order = np.concatenate([order[~too_large], order[too_large]])
    label_of = dict(zip(names[order].tolist(), _cut(sizes[order], config), strict=True))
    return np.array([label_of[group] for group in groups.tolist()], dtype=np.str_)


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
