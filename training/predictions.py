"""What models predicted for the scored rows: one compact file per run, from which every figure can be taken again."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from training.checkpoint import write_atomically
from training.datasets.table import Floats, Split
from training.errors import DataError

ALL_ROWS = "all"


@dataclass(frozen=True)
class Answer:
    """A model's predictions.

    Attributes:
        subset: the rows that the model was fitted for; empty: it answers for every subset.
        values: (rows, targets) float32.
    """

    model: str
    subset: str
    values: Floats


@dataclass(frozen=True)
class Predictions:
    """The rows of a split, what was measured for them, and what each model predicted.

    Attributes:
        ids: one per row.
        targets: names of the columns.
        measured: (rows, targets) float32, NaN where nothing was measured.
        coverage: (rows,) float32, molecules counted; NaN where the data set has no such number.
        groups: (rows,) int64, equal for related rows.
        folds: (rows,) int64, the fold that tested the row; 0 without folds.
        subsets: name to (rows,) bool, `all` first.
        answers: of the models, this bundle's first.
    """

    ids: tuple[str, ...]
    targets: tuple[str, ...]
    measured: Floats
    coverage: Floats
    groups: npt.NDArray[np.int64]
    folds: npt.NDArray[np.int64]
    subsets: dict[str, npt.NDArray[np.bool_]]
    answers: tuple[Answer, ...]

    @property
    def models(self) -> list[str]:
        """Names of the models, in the order of their answers."""
        return list(dict.fromkeys(answer.model for answer in self.answers))

    def of(self, model: str, subset: str) -> Floats:
        """(rows, targets): what a model predicted for the rows when it is measured on a subset."""
        return next(one.values for one in self.answers if one.model == model and one.subset in {"", subset})

    def rows(self, chosen: npt.NDArray[Any]) -> Predictions:
        """The chosen rows, by mask or by index."""
        index = np.arange(len(self.ids))[chosen]
        return replace(
            self,
            ids=tuple(self.ids[row] for row in index),
            measured=self.measured[index],
            coverage=self.coverage[index],
            groups=self.groups[index],
            folds=self.folds[index],
            subsets={name: mask[index] for name, mask in self.subsets.items()},
            answers=tuple(replace(answer, values=answer.values[index]) for answer in self.answers),
        )

    def save(self, path: Path) -> None:
        """Write as one compressed NumPy archive."""
        names = {
            "ids": self.ids,
            "targets": self.targets,
            "subsets": list(self.subsets),
            "answers": [[answer.model, answer.subset] for answer in self.answers],
        }
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            allow_pickle=False,
            names=np.frombuffer(json.dumps(names).encode(), dtype=np.uint8),
            measured=self.measured,
            coverage=self.coverage,
            groups=self.groups,
            folds=self.folds,
            subsets=np.array(list(self.subsets.values())),
            predicted=np.array([answer.values for answer in self.answers]),
        )
        write_atomically(path, buffer.getvalue())


def predictions_path(folder: Path, split: Split) -> Path:
    """Where the predictions for a split lie, in a bundle's run folder."""
    return folder / f"predictions-{split}.npz"


def load_predictions(path: Path) -> Predictions:
    """Read what `Predictions.save` wrote.

    Raises:
        DataError: there is no such file.
    """
    if not path.is_file():
        raise DataError(f"{path} is missing: run `python -m training evaluate` first")
    with np.load(path, allow_pickle=False) as archive:
        arrays = dict(archive)
    names = json.loads(arrays["names"].tobytes())
    return Predictions(
        ids=tuple(names["ids"]),
        targets=tuple(names["targets"]),
        measured=arrays["measured"],
        coverage=arrays["coverage"],
        groups=arrays["groups"],
        folds=arrays["folds"],
        subsets=dict(zip(names["subsets"], arrays["subsets"], strict=True)),
        answers=tuple(
            Answer(model, subset, values)
            for (model, subset), values in zip(names["answers"], arrays["predicted"], strict=True)
        ),
    )


def pooled(folds: Sequence[Predictions]) -> Predictions:
    """The predictions of all folds side by side, each row by the models that never saw it.

    Models and subsets that some fold lacks are left out.

    Raises:
        DataError: a row was tested in two folds, so they are not folds of one split.
    """
    ids = tuple(name for fold in folds for name in fold.ids)
    if len(set(ids)) < len(ids):
        raise DataError("a row was tested in two folds; run crossvalidate again with one configuration for all")
    subsets = [name for name in folds[0].subsets if all(name in fold.subsets for fold in folds)]
    keys = [{(answer.model, answer.subset): answer.values for answer in fold.answers} for fold in folds]
    shared = [key for key in keys[0] if all(key in other for other in keys) and key[1] in {"", *subsets}]
    return replace(
        folds[0],
        ids=ids,
        measured=np.concatenate([fold.measured for fold in folds]),
        coverage=np.concatenate([fold.coverage for fold in folds]),
        groups=np.concatenate([fold.groups for fold in folds]),
        folds=np.concatenate([fold.folds for fold in folds]),
        subsets={name: np.concatenate([fold.subsets[name] for fold in folds]) for name in subsets},
        answers=tuple(Answer(*key, np.concatenate([of[key] for of in keys])) for key in shared),
    )
