"""The configuration of one published bundle: a TOML file, read into frozen dataclasses that refuse unknown keys.

Every knob of the training package is an attribute of one of them, with its unit, and nowhere else: of those in this
package, in `training.recipe`, and in `recipe.py` of the data sets, the tokenizers and the baselines.
"""

from training.config.agreement import check_longest_input
from training.config.bundle import BundleConfig, BundleWords
from training.config.document import Config
from training.config.evaluation import EvaluationConfig
from training.config.file import read_config
from training.config.split import SplitConfig
from training.datasets.recipe import DataConfig

__all__ = [
    "BundleConfig",
    "BundleWords",
    "Config",
    "DataConfig",
    "EvaluationConfig",
    "SplitConfig",
    "check_longest_input",
    "read_config",
]
