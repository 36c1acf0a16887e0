"""A model that was fine-tuned elsewhere becomes a bundle: its folder gives the weights, a card the rest."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from training.config import BundleConfig, check_longest_input
from training.datasets.table import Quantity
from training.errors import CheckpointError, ConfigError
from training.export import Description, Export, architecture, write_bundle
from training.feeder import Feeder, input_rules
from training.licences import check_licence
from training.published.adapter import base_of, is_adapter, merge_adapter, saved_whole
from training.published.families import read_shape
from training.published.loading import load_weights
from training.published.naming import head_keys, published_names
from training.published.source import CONFIG, checkpoint_folder, read_json, shown_source
from training.published.tokenizer import checkpoint_tokenizer
from training.published.weights import Weights, read_adapter_weights, read_weights, weight_digests
from training.reading import read_dataclass, read_toml
from training.recipe import ModelConfig
from training.regressor import Regressor
from training.tokenizers.building import TrainedTokenizer

OUTPUT_KEYS = {"dnabert2": "classifier.weight", "nucleotide_transformer": "classifier.out_proj.weight"}


@dataclass(frozen=True)
class ImportedTarget(Quantity):
    """A target, and what its values were standardised with before the model was trained."""

    mean: float = 0.0
    """Added to the model's answer, in the target's unit."""

    standard_deviation: float = 1.0
    """The model's answer is multiplied by it, in the target's unit."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (0 < self.standard_deviation < math.inf and math.isfinite(self.mean)):
            raise ConfigError(f"targets: {self.name}: mean must be finite, and standard_deviation finite and above 0")


@dataclass(frozen=True)
class ImportCard:
    """What a manifest needs and a folder of weights cannot say."""

    bundle: BundleConfig
    targets: tuple[ImportedTarget, ...]
    """In the order of the model's outputs."""

    def __post_init__(self) -> None:
        self.bundle.refuse_8_bits()
        names = [target.name for target in self.targets]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ConfigError(f"targets: {twice[0]} stands there twice; each output needs a name of its own")


@dataclass(frozen=True)
class FineTuned:
    """A fine-tuned model's files.

    Attributes:
        folder: a whole model, or the base of an adapter.
        adapter: the adapter's folder; None for a whole model.
        config: backbone and head, as `config.json` says them.
    """

    folder: Path
    adapter: Path | None
    config: ModelConfig

    @property
    def shown(self) -> Path:
        """The folder that messages name."""
        return self.adapter or self.folder

    def tokenizer(self) -> TrainedTokenizer:
        """The one that lies beside the weights."""
        return checkpoint_tokenizer(self.folder, self.config)

    def weights(self) -> Weights:
        """What the files hold, before an adapter is merged; the adapter's own parts stand for the base's."""
        weights = read_weights(self.folder)
        return weights if self.adapter is None else weights | saved_whole(read_adapter_weights(self.adapter))


def count_outputs(found: FineTuned, weights: Weights) -> int:
    """How many values a fine-tuned model answers.

    Raises:
        CheckpointError: it has no head.
    """
    key = OUTPUT_KEYS[found.config.backbone]
    if key not in weights:
        raise CheckpointError(f"{found.shown}: {key} is missing; a model without a head answers nothing")
    return len(weights[key])


def read_card(path: Path) -> ImportCard:
    """Read a card.

    Raises:
        ConfigError: it is missing or not TOML, or a key is unknown, missing or of the wrong kind.
    """
    try:
        document = read_toml(path)
    except ConfigError as error:
        raise ConfigError(f"{error}; --template prints a card to fill in") from None
    return read_dataclass(ImportCard, document, path.name)


def find_model(source: str, base: str = "") -> FineTuned:
    """Find a fine-tuned model's files and read its sizes.

    Args:
        source: a folder or Hub id of a whole model or of a PEFT adapter.
        base: of an adapter, if it is another than the one the adapter names.

    Raises:
        CheckpointError: a file is missing, or the model is of no family that is read.
    """
    folder, adapter = checkpoint_folder(source), None
    if is_adapter(folder):
        folder, adapter = checkpoint_folder(base or base_of(folder)), folder
    problem = read_json(folder / CONFIG).get("problem_type")
    if problem not in {None, "regression"}:
        raise CheckpointError(f"{folder / CONFIG}: problem_type is {problem}; only regression models are served")
    config = replace(read_shape(folder), checkpoint=shown_source(source), pooling="cls", head="pooler")
    return FineTuned(folder, adapter, config)


def import_model(found: FineTuned, card: ImportCard, models: Path, command: str) -> Export:
    """Write a fine-tuned model's bundle.

    Args:
        found: its files.
        card: what the manifest says beyond them.
        models: the folder of bundles.
        command: that imports it again, for the manifest.

    Raises:
        CheckpointError: the weights are damaged or do not fit.
        ConfigError: the card does not belong to the model.
        ExportRefused: ONNX Runtime predicts something else than torch.
    """
    model, feeder = load_model(found, card)
    described = Description(
        bundle=card.bundle,
        quantities=card.targets,
        architecture=architecture(found.config.description, found.tokenizer()),
        config={"model": asdict(found.config), "files": weight_digests(*filter(None, (found.folder, found.adapter)))},
        command=command,
        golden_sequences=card.bundle.golden_sequences,
    )
    return write_bundle(model, feeder, described, models)


def load_model(found: FineTuned, card: ImportCard) -> tuple[Regressor, Feeder]:
    """The model, ready to predict in its targets' units, and what makes its inputs.

    Raises:
        CheckpointError: the weights are damaged or do not fit.
        ConfigError: the card does not belong to the model.
    """
    check_licence(found.config, card.bundle.licence)
    check_longest_input(found.config, card.bundle)
    weights, outputs = found.weights(), len(card.targets)
    if count_outputs(found, weights) != outputs:
        raise ConfigError(f"targets: the card describes {outputs}, the model answers {count_outputs(found, weights)}")
    tokenizer = found.tokenizer()
    feeder = Feeder(input_rules(found.config, card.bundle, tokenizer), tokenizer.files)
    model = Regressor(found.config, outputs, outputs, feeder.vocabulary)
    model.set_scale(
        torch.tensor([target.mean for target in card.targets]),
        torch.tensor([target.standard_deviation for target in card.targets]),
    )
    _load_weights(model, weights, found)
    return model.eval(), feeder


def _load_weights(model: Regressor, weights: Weights, found: FineTuned) -> None:
    named = published_names(model)
    if untrained := sorted(head_keys(named) - set(weights)):
        raise CheckpointError(
            f"{found.shown}: {untrained[0]} is missing; that layer was not saved with the model (an adapter keeps what "
            "modules_to_save names), so what was trained on top of it is lost"
        )
    load_weights(named, weights, found.folder)
    if found.adapter is not None:
        load_weights(published_names(model), merge_adapter(named, found.adapter), found.adapter)
