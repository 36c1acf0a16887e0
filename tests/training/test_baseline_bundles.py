"""Baselines go the way of every model: prepared, fitted, measured, exported, served."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from app.bundle import read_bundle
from app.encoding import SequenceEncoder
from app.engine import ONE_HOT, OnnxModel
from training.baselines.kmers import all_kmers
from training.baselines.region_ridge import BinnedKmers, fit_region_ridge
from training.baselines.regions import Bins
from training.baselines.weights import KmerWeights, model_of, model_of_state
from training.config import Config, read_config
from training.datasets.table import Columns, Table
from training.errors import ConfigError, DataError, FitError
from training.evaluate import evaluate
from training.examples import as_codes
from training.export import export
from training.feeder import predict
from training.pipeline import Pipeline
from training.preparation import Prepared, prepare
from training.tokenizers.recipe import TokenizerConfig
from training.watching import Watcher

BASELINES = {
    "kmer_ridge": 'kind = "kmer_ridge"\nlongest_kmer = 3\npenalties = [0.1, 1, 10]',
    "region_ridge": 'kind = "region_ridge"\nshortest_kmer = 1\nlongest_kmer = 2\nbins = 4\npenalties = [0.1, 1, 10]',
    "dexter": 'kind = "dexter"\nbins = 5\nlongest_kmer = 3\nfolds = 4',
}
WINDOW = 30

ConfigOf = Callable[[str], Config]


@pytest.fixture(scope="session")
def config_of(toy_baseline_toml: str, tmp_path_factory: pytest.TempPathFactory) -> ConfigOf:
    """The configuration of a `[baseline]` table."""

    def config(table: str) -> Config:
        path = tmp_path_factory.mktemp("configs") / "toy.toml"
        path.write_text(toy_baseline_toml + f"\n[baseline]\n{table}\n")
        return read_config(path)

    return config


@pytest.fixture(scope="session", params=list(BASELINES))
def fitted(
    request: pytest.FixtureRequest, config_of: ConfigOf, toy_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Pipeline:
    """A baseline of each kind, fitted on the toy; tests must not write into its run folder."""
    config = config_of(BASELINES[request.param])
    folder = tmp_path_factory.mktemp("runs") / config.bundle.name
    pipeline = Pipeline(config, prepare(config, toy_data, folder), folder)
    pipeline.fit(torch.device("cpu"), QUIET)
    return pipeline


@pytest.fixture(scope="session")
def served(fitted: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> OnnxModel:
    """Its bundle, in the engine of the service."""
    written = export(fitted, evaluate(fitted, {}), tmp_path_factory.mktemp("models"), "make toy")
    return OnnxModel(read_bundle(written.folder))


QUIET = Watcher(Console(quiet=True))


def test_the_toy_rule_is_learnt(fitted: Pipeline) -> None:
    scores = {(score.target, score.subset): score for score in evaluate(fitted, {"itself": fitted}).scores}

    assert scores["log2_change_8h_2h", "all"].metrics["r2"].value > 0.8


def test_the_service_predicts_what_was_fitted(fitted: Pipeline, served: OnnxModel) -> None:
    sequences = fitted.prepared.table.split("test").sequences
    encoded = SequenceEncoder(served.manifest, {}).encode(sequences)

    answers = served.predict([row.ids for row in encoded])

    assert np.allclose(answers, predict(fitted.load(), fitted.feeder, sequences), atol=1e-6)
    assert served.manifest.parity.largest_difference <= 1e-5
    assert served.manifest.input.encoding == "one_hot"


def test_the_manifest_says_what_the_baseline_is(fitted: Pipeline, served: OnnxModel) -> None:
    provenance = served.manifest.provenance

    assert provenance.architecture.startswith(("Ridge regression", "DExTER"))
    assert provenance.config["baseline"]["kind"] == fitted.config.baseline.kind
    assert provenance.config["model"] is None


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_graph_and_model_agree_on_any_bases_with_n(fitted: Pipeline, served: OnnxModel, data: st.DataObject) -> None:
    rules, model = served.manifest.input, fitted.load()
    length = data.draw(st.integers(rules.min_bases, rules.max_bases))
    row = st.lists(st.integers(0, 4), min_size=length, max_size=length)
    rows = [np.array(codes, dtype=np.uint8) for codes in data.draw(st.lists(row, min_size=1, max_size=4))]

    alone = [model(torch.from_numpy(ONE_HOT[codes][None])).numpy() for codes in rows]

    assert np.allclose(served.predict(rows), np.vstack(alone), atol=1e-6)


def test_a_run_is_not_fitted_twice_and_not_taken_for_another(fitted: Pipeline) -> None:
    weights = fitted.folder / "model" / "best.pt"
    before = weights.stat().st_mtime_ns

    fitted.fit(torch.device("cpu"), QUIET)

    assert weights.stat().st_mtime_ns == before
    with pytest.raises(FitError, match="another baseline"):
        changed(fitted, longest_kmer=2 if fitted.config.baseline.kind != "region_ridge" else 1).load()


def test_what_people_read_stands_beside_the_weights(fitted: Pipeline) -> None:
    written = {path.name for path in (fitted.folder / "model").iterdir()}

    assert written == {
        "best.pt",
        "config.json",
        "variables.tsv" if fitted.config.baseline.kind == "dexter" else "penalties.tsv",
    }


def test_nothing_was_fitted_yet(fitted: Pipeline, tmp_path: Path) -> None:
    with pytest.raises(FitError, match="training fit"):
        Pipeline(fitted.config, fitted.prepared, tmp_path).load()


def test_a_constant_target_is_refused(fitted: Pipeline, tmp_path: Path) -> None:
    table = with_targets(fitted.prepared.table, fitted.prepared.table.targets.values * [1, 0] + [0, 7])

    with pytest.raises(DataError, match=r"half_log2_change_6h_1h is 7 in all \d+ training rows"):
        Pipeline(fitted.config, Prepared(table, None), tmp_path)


def test_an_empty_training_split_is_refused(fitted: Pipeline, tmp_path: Path) -> None:
    table = fitted.prepared.table.split("test")

    with pytest.raises(DataError, match="log2_change_8h_2h was not measured in any training row"):
        Pipeline(fitted.config, Prepared(table, None), tmp_path)


def test_windows_of_another_length_are_refused(config_of: ConfigOf, fitted: Pipeline, tmp_path: Path) -> None:
    if fitted.config.baseline.kind == "kmer_ridge":
        return
    table = fitted.prepared.table
    cut = replace(table, sequences=(table.sequences[0][:-1], *table.sequences[1:]))

    with pytest.raises(DataError, match=r"train row 0 has 29 bases; a \w+ reads windows of exactly 30"):
        Pipeline(fitted.config, Prepared(cut, None), tmp_path).fit(torch.device("cpu"), QUIET)


def test_a_ridge_needs_every_target(fitted: Pipeline, tmp_path: Path) -> None:
    values = fitted.prepared.table.targets.values.copy()
    values[:3, 0] = np.nan
    pipeline = Pipeline(fitted.config, Prepared(with_targets(fitted.prepared.table, values), None), tmp_path)

    if fitted.config.baseline.kind == "dexter":
        assert pipeline.fit(torch.device("cpu"), QUIET).targets == 2
        return
    with pytest.raises(DataError, match="every target"):
        pipeline.fit(torch.device("cpu"), QUIET)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('kind = "forest"', "kind: 'forest' is none of kmer_ridge, region_ridge, dexter"),
        ("bins = 8", "kind: None is none of"),
        ('kind = "kmer_ridge"\nbins = 3', "unknown key bins"),
        ('kind = "kmer_ridge"\nlongest_kmer = 9', "1 <= longest_kmer <= 8"),
        ('kind = "kmer_ridge"\npenalties = []', "penalties"),
        ('kind = "kmer_ridge"\npenalties = [0]', "above 0"),
        ('kind = "region_ridge"\nshortest_kmer = 5', "5 <= longest_kmer"),
        ('kind = "region_ridge"\nbins = 1', "at least 2"),
        ('kind = "region_ridge"\nanchor = 30', "outside windows of 30 bases"),
        ('kind = "dexter"\nanchor = -1', "at least 0"),
        ('kind = "dexter"\nbins = 2', "at least 3"),
        ('kind = "dexter"\nfolds = 1', "at least 2"),
        ('kind = "dexter"\nregions_match = "any"', "'any' is none of pair, parent"),
        ('kind = "dexter"\nrelative_gain = -0.1', "below 0"),
    ],
)
def test_a_wrong_key_of_a_baseline_is_named(config_of: ConfigOf, table: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config_of(table)


def test_a_configuration_is_a_network_s_or_a_baseline_s(config_of: ConfigOf, toy_toml: str, tmp_path: Path) -> None:
    path = tmp_path / "toy.toml"
    for text in (toy_toml + '\n[baseline]\nkind = "kmer_ridge"\n', toy_toml.replace("[model]", "[evaluatio]")):
        path.write_text(text)
        with pytest.raises(ConfigError):
            read_config(path)
    network, baseline = read_text(toy_toml, path), config_of(BASELINES["dexter"])
    with pytest.raises(ConfigError, match=r"either \[model\] with \[fit\] is needed, or \[baseline\] alone"):
        replace(network, fit=None)
    with pytest.raises(ConfigError, match="takes no tokenizer"):
        replace(baseline, tokenizer=TokenizerConfig(vocabulary=8))
    with pytest.raises(ConfigError, match="set min_bases = max_bases"):
        replace(baseline, bundle=replace(baseline.bundle, min_bases=20))
    with pytest.raises(ConfigError, match=r"no \[model\] and no \[fit\]"):
        _ = baseline.network


def test_a_region_ridge_is_the_ridge_estimate_of_standardised_counts() -> None:
    sequences = ["".join(row) for row in np.random.default_rng(0).choice(list("ACGTN"), size=(80, 12))]
    bases, target = as_codes(sequences)[0], np.random.default_rng(1).normal(size=(80, 1)).astype(np.float32)
    features = BinnedKmers(1, 1, Bins((0, 5, 12), anchor=5))

    weights, _ = fit_region_ridge(bases, target, bases, target, features, [3.0])

    counts = np.array([[part.count(base) for base in "ACGT" for part in (s[:5], s[5:])] for s in sequences])
    scaled = (counts - counts.mean(axis=0)) / counts.std(axis=0)
    expected = np.linalg.solve(scaled.T @ scaled + 3 * np.eye(8), scaled.T @ (target - target.mean()))
    assert np.allclose(weights.values.ravel(), expected[:, 0] / counts.std(axis=0), atol=1e-5)
    assert np.allclose((counts @ weights.values.reshape(8, 1) + weights.intercepts).mean(), target.mean(), atol=1e-5)


def test_a_model_adds_the_weights_of_what_starts_in_each_bin() -> None:
    kmers = ("A", "CG", "GTA")
    values = np.zeros((3, 2, 1))
    values[:, :, 0] = [[1, 10], [100, 1000], [10000, 100000]]
    model = model_of(KmerWeights(kmers, values, np.array([0.5]), np.array([0, 0, 0, 1, 1, 1, 1])), targets=1)

    #          bin 0: A, CG (at 2); bin 1: GTA, A
    assert answer(model, "ATCGTAN") == 0.5 + 1 + 100 + 100000 + 10
    assert answer(model, "NNNNNNN") == 0.5
    assert answer(model, "CNGANAG") == 0.5 + 10 + 10


def test_a_model_without_bins_reads_any_length() -> None:
    values = np.arange(1.0, 17.0).reshape(16, 1, 1)
    model = model_of(KmerWeights(tuple(all_kmers(2)), values, np.zeros(1), np.zeros(0, dtype=np.int64)), targets=1)

    assert answer(model, "A") == 0
    assert answer(model, "AA") == 1
    assert answer(model, "AATT") == 1 + 4 + 16


def test_a_model_without_variables_predicts_the_mean() -> None:
    nothing = KmerWeights((), np.zeros((0, 2, 1)), np.array([0.25]), np.array([0, 1, 1]))
    model = model_of_state(model_of(nothing, targets=1).state_dict(), targets=1)
    model.set_scale(torch.tensor([3.0]), torch.tensor([2.0]))

    assert answer(model, "ACG") == 3.5


def answer(model: torch.nn.Module, sequence: str) -> float:
    (codes,) = as_codes([sequence])[0]
    return float(model(torch.from_numpy(ONE_HOT[codes][None])))


def with_targets(table: Table, values: np.ndarray) -> Table:
    values = values.astype(np.float32)
    return replace(table, targets=Columns(table.targets.names, values, (~np.isnan(values)).astype(np.float32)))


def changed(pipeline: Pipeline, **keys: int) -> Pipeline:
    config = replace(pipeline.config, baseline=replace(pipeline.config.baseline, **keys))
    return Pipeline(config, pipeline.prepared, pipeline.folder)


def read_text(toml: str, path: Path) -> Config:
    path.write_text(toml)
    return read_config(path)
