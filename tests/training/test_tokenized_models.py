"""From a table to a bundle that the service serves: tokenizers that learn more than pairs, and a BERT that reads them.

Of the model's 42 positions, two are special tokens; at worst 40 bases are 40 letters of a lexicon, or 38 motifs.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from app.bundle import read_bundle
from app.encoding import EncodedSequence, SequenceEncoder
from app.engine import OnnxModel
from training.config import read_config
from training.evaluate import evaluate
from training.export import export
from training.feeder import predict
from training.pipeline import Pipeline
from training.preparation import load_prepared, prepare
from training.watching import Watcher

TOKENIZERS = {
    "morfessor": (
        '[tokenizer]\nkind = "morfessor"\nvocabulary = 60\n[tokenizer.morfessor]\nbases = 4\ncorpus_weight = 0.1\n'
    ),
    "motifs": '[tokenizer]\nkind = "motifs"\nvocabulary = 60\n[tokenizer.motifs]\nbases = 3\nkept_share = 0.3\n',
}
BERT = """
[model]
backbone = "bert"
width = 8
layers = 1
heads = 2
inner_width = 8
positions = 42

[fit]
epochs = 1
batch = 16
learning_rate = 0.01
"""


@pytest.fixture(scope="module", params=TOKENIZERS)
def trained(request: pytest.FixtureRequest, toy_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    folder = tmp_path_factory.mktemp("runs")
    (folder / "toy.toml").write_text(request.getfixturevalue("toy_head") + TOKENIZERS[request.param] + BERT)
    config = read_config(folder / "toy.toml")
    prepare(config, toy_data, folder)
    pipeline = Pipeline(config, load_prepared(config, folder), folder)
    pipeline.fit(torch.device("cpu"), Watcher(Console(quiet=True)))
    return pipeline


def test_a_bundle_of_each_kind_predicts_what_was_trained(trained: Pipeline, tmp_path: Path) -> None:
    written = export(trained, evaluate(trained, {}), tmp_path, "make toy")  # checks parity and golden examples

    bundle = read_bundle(written.folder)
    sequences = [*trained.prepared.table.split("test").sequences[:4], "A" * 10]
    rows = SequenceEncoder(bundle.manifest, bundle.files).encode(sequences)
    served = OnnxModel(bundle).predict([row.ids for row in rows if isinstance(row, EncodedSequence)])
    assert np.allclose(served, predict(trained.load(), trained.feeder, sequences), atol=1e-5)
    assert bundle.manifest.input.max_tokens == (40 if bundle.manifest.input.motifs else 42)
    assert set(bundle.files) == {"model.onnx", "README.md", *trained.feeder.files}
    assert bundle.manifest.provenance.architecture.endswith(trained.prepared.tokenizer.source)
