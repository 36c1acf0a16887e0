"""What can stop a training command, and how it is told to whoever runs it.

    TrainingError
    ├── ConfigError       a key is unknown, missing, or its value cannot be meant
    ├── DataError         a data set's files are missing or not what they should be
    ├── SplitError        rows of one group stand on both sides of a split
    ├── CheckpointError   a published checkpoint is missing, truncated, of another family or of other sizes
    ├── FitError          a run diverged, or does not belong to this configuration
    ├── ExportRefused     the graph does not predict what the trained model predicts
    └── ReportError       runs that a report sets side by side do not compare, or it cannot be drawn

Each ends the command with one line; a message names the file, the key or the limit, and the way out.
"""

from __future__ import annotations


class TrainingError(Exception):
    """The root of every error that this package raises on purpose."""


class ConfigError(TrainingError):
    """The configuration names something that is not there, or contradicts itself."""


class DataError(TrainingError):
    """A data set cannot be read."""


class SplitError(TrainingError):
    """A split would let the model see what it is measured on."""


class CheckpointError(TrainingError):
    """A published checkpoint cannot be read, or is not what the configuration says it is."""


class FitError(TrainingError):
    """A run cannot go on."""


class ExportRefused(TrainingError):
    """A model is not written because its bundle would not keep its promises."""


class ReportError(TrainingError):
    """A report cannot be written."""
