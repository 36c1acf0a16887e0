"""Scores of k-mers are worked out from the rows they are given, or read from a table whose bad rows are named."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from training.datasets.table import Columns, Quantity, Table
from training.errors import ConfigError, DataError
from training.tokenizers.recipe import ScoresConfig
from training.tokenizers.scores import enrichment, kmer_scores, kmer_texts, mean_target, read_scores

ONES = np.ones(3, dtype=np.float32)


def named(scores: np.ndarray, bases: int) -> dict[str, float]:
    numbers = np.flatnonzero(~np.isnan(scores))
    return dict(zip(kmer_texts(numbers, bases), scores[numbers].tolist(), strict=True))


def table(sequences: tuple[str, ...], values: list[float], weights: list[float] | None = None) -> Table:
    rows = len(sequences)
    column = np.array(values, dtype=np.float32)[:, None]
    counted = np.ones((rows, 1)) if weights is None else np.array(weights)[:, None]
    return Table(
        ids=tuple(map(str, range(rows))),
        sequences=sequences,
        quantities=(Quantity("level", "1", "linear", "more", "A toy."),),
        targets=Columns(("level",), column, counted.astype(np.float32)),
        auxiliary=Columns.none(rows),
        coverage=np.full(rows, np.nan, dtype=np.float32),
        groups=np.arange(rows),
        splits=np.full(rows, "train"),
    )


def test_a_mean_target_is_standardised_and_pulled_to_0_where_rows_are_few() -> None:
    values = np.array([1.0, 3.0, 2.0], dtype=np.float32)  # mean 2, standard deviation sqrt(2 / 3)

    scores = named(mean_target(["AAC", "AAG", "CCC"], values, ONES, bases=2, shrinkage_rows=1.0), 2)

    z = 1.5**0.5
    assert scores == pytest.approx({"AA": 0.0, "AC": -z / 2, "AG": z / 2, "CC": 0.0})


def test_a_row_counts_once_for_a_kmer_however_often_it_holds_it() -> None:
    values = np.array([1.0, -1.0, -1.0, 1.0], dtype=np.float32)
    weights = np.ones(4, dtype=np.float32)

    scores = named(mean_target(["AAAA", "AA", "CC", "CC"], values, weights, bases=2, shrinkage_rows=0.0), 2)

    assert scores == pytest.approx({"AA": 0.0, "CC": 0.0})


def test_a_row_that_was_measured_well_counts_more() -> None:
    values = np.array([1.0, -1.0, 0.0], dtype=np.float32)
    weights = np.array([3.0, 1.0, 2.0], dtype=np.float32)  # mean weight 2: rows of 1.5, 0.5 and 1

    scores = mean_target(["AC", "AC", "GG"], values, weights, bases=2, shrinkage_rows=1.0)

    mean, deviation = 2 / 6, (4 / 6 - (2 / 6) ** 2) ** 0.5
    ac = (1.5 * (1 - mean) + 0.5 * (-1 - mean)) / deviation / (2 + 1)
    assert named(scores, 2) == pytest.approx({"AC": ac, "GG": -mean / deviation / 2})


def test_a_constant_target_scores_nothing() -> None:
    assert set(named(mean_target(["AC", "GT", "AC"], ONES, ONES, 2, 1.0), 2).values()) == {0.0}


def test_enrichment_compares_the_upper_third_with_the_lower() -> None:
    values = np.array([3.0, 2.0, 1.0], dtype=np.float32)

    scores = named(enrichment(["ACA", "TTT", "CAG"], values, bases=2), 2)

    # one count of each k-mer is added in each third: 2 + 16 in all
    assert scores == pytest.approx({"AC": 2.0, "CA": 1.0, "AG": 0.5})


def test_a_kmer_with_an_n_or_beyond_a_rows_end_is_none() -> None:
    scores = named(enrichment(["ANC", "A", "ACGT"], np.array([1.0, 2.0, 3.0], dtype=np.float32), bases=2), 2)

    assert set(scores) == {"AC", "CG", "GT"}


def test_rows_that_were_not_measured_are_not_asked() -> None:
    rows = table(("AC", "GT", "TT"), [1.0, 2.0, float("nan")], [1.0, 1.0, 0.0])

    scores = kmer_scores(ScoresConfig(), 2, rows, Path())

    assert set(named(scores.values, 2)) == {"AC", "GT"}
    said = "Mean standardised target of the rows with the 2-mer, estimated from the 2 training rows alone, by level."
    assert scores.source == said


def test_the_estimator_and_the_target_are_chosen() -> None:
    rows = table(("AC", "GT", "TT"), [1.0, 2.0, 3.0])

    scores = kmer_scores(ScoresConfig(estimator="enrichment", target="level"), 2, rows, Path())

    assert scores.source.startswith("Frequency in the upper third over that in the lower third, estimated from")
    with pytest.raises(DataError, match=r"tokenizer\.scores\.target: 'other' is none of level"):
        kmer_scores(ScoresConfig(target="other"), 2, rows, Path())


def test_the_best_are_ordered_and_the_unscored_are_not_among_them() -> None:
    scores = kmer_scores(ScoresConfig(shrinkage_rows=0), 2, table(("AC", "GT", "TT"), [1.0, 3.0, 2.0]), Path())

    assert scores.highest(2) == ["GT", "TT"]
    assert scores.highest(99) == ["GT", "TT", "AC"]
    assert scores.above(0.0) == ["GT"]
    assert scores.of("TT") == pytest.approx(0.0)
    assert np.isnan(scores.of("AA"))


@pytest.mark.parametrize("separator", [",", "\t"])
def test_a_table_of_scores_is_read_and_named_by_its_digest(tmp_path: Path, separator: str) -> None:
    path = tmp_path / "binding.txt"
    path.write_text("\n".join(separator.join(row) for row in (["kmer", "score"], ["AC", "3.5"], ["ug", "-1e-1"])))

    scores = kmer_scores(ScoresConfig(table="binding.txt"), 2, table(("AC",), [1.0]), tmp_path)

    assert named(scores.values, 2) == {"AC": 3.5, "TG": -0.1}
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert scores.source == f"Column score of the table binding.txt, SHA-256 {digest}."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kmer,score\nAC,1\nACG,2\n", r"line 3: expected 2 bases of A, C, G, T or U"),
        ("kmer,score\nAN,1\n", r"line 2: expected 2 bases"),
        ("kmer,score\nAC,1\nGG,2\nAC,1\n", r"line 4: this k-mer has a score already"),
        ("kmer,score\nAC,high\n", r"line 2: the score is not a finite number"),
        ("kmer,score\nAC,inf\n", r"line 2: the score is not a finite number"),
        ("kmer,score\nAC\n", r"line 2: the score is not a finite number"),
        ("kmer,value\nAC,1\n", r"has no column 'score'; name it in tokenizer.scores"),
        ("", r"has no column 'kmer'"),
        ("kmer,score\n", r"holds no k-mer"),
    ],
)
def test_a_bad_table_is_refused_by_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "scores.csv"
    path.write_text(text)

    with pytest.raises(DataError, match=message) as caught:
        read_scores(path, 2, "kmer", "score")
    assert "scores.csv" in str(caught.value)


def test_a_table_that_is_missing_or_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")

    with pytest.raises(DataError, match=r"absent\.csv: cannot be read: No such file"):
        read_scores(tmp_path / "absent.csv", 2, "kmer", "score")
    with pytest.raises(DataError, match=r"binary\.csv: cannot be read: not UTF-8 text"):
        read_scores(tmp_path / "binary.csv", 2, "kmer", "score")


def test_shrinkage_cannot_be_negative() -> None:
    with pytest.raises(ConfigError, match="shrinkage_rows"):
        replace(ScoresConfig(), shrinkage_rows=-1.0)
