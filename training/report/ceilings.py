"""How well any model could do on a task's rows, where the molecules behind its labels were counted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from training.ceiling import Ceiling, Counted, ceiling
from training.datasets.utrseq import CHANGES, HOURS, Counts, read_umis
from training.predictions import ALL_ROWS
from training.report.tasks import Task
from training.scoring import Measure, measures

COUNTED_SOURCES = frozenset[str]({"utrseq"})
# Rows of a subset were chosen by their counts at these hours.
CHOSEN_BY_HOURS = (1, 2)
Ceilings = Mapping[tuple[str, str], Ceiling]


def ceilings_of(task: Task, data: Path) -> Ceilings:
    """The largest R2 for each target and subset.

    Args:
        task: what is reported.
        data: the folder that holds the data sets' folders.

    Returns:
        (target, subset) to ceiling; empty when the data set is not made of counts, or is not there.
    """
    folder = data / task.config.data.folder
    if task.config.data.source not in COUNTED_SOURCES or not folder.is_dir():
        return {}
    counts = read_umis(folder, task.predictions.ids)
    return {
        (measure.target, measure.subset): _ceiling(task, measure, counts)
        for measure in measures(task.predictions)
        if measure.target in CHANGES
    }


def _ceiling(task: Task, measure: Measure, counts: Counts) -> Ceiling:
    later, earlier, factor = CHANGES[measure.target]
    fewest = 0 if measure.subset == ALL_ROWS else int(np.ceil(task.config.data.well_covered_umis))
    umis = counts.umis[measure.kept].astype(np.int64)
    at = {
        hour: Counted(umis[:, HOURS.index(hour)], fewest if hour in CHOSEN_BY_HOURS else 0) for hour in (later, earlier)
    }
    groups = task.predictions.groups[measure.kept]
    return ceiling(at[later], at[earlier], groups, task.config.evaluation.seed, factor)
