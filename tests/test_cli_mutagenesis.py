"""`basecast mutagenesis`, run as a user runs it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.live import LiveServer
from tests.people import write_genomes, write_window_bundle
from tests.terminal import Finished, Run

TSV = """position	reference	base	gc_fraction
1	A	A	0.5
1	A	C	1.0
1	A	G	1.0
1	A	T	0.5
"""
PNG = b"\x89PNG\r\n"


@pytest.fixture
def fasta(tmp_path: Path) -> Path:
    path = tmp_path / "in.fa"
    path.write_text(">a\nGA\n")
    return path


def test_the_table_goes_to_stdout_as_tsv(run: Run, fasta: Path, toy_models: Path) -> None:
    done = run("mutagenesis", fasta, "--start", 1, "--models", toy_models / "gc")
    assert done == Finished(0, TSV, "gc@1.0.0: 1 positions of the sequence\n")


def test_a_running_service_answers_the_same(run: Run, fasta: Path, live_server: LiveServer) -> None:
    done = run("mutagenesis", fasta, "--start", 1, "--url", live_server.url, "--model", "gc", "-q")
    assert done == Finished(0, TSV, "")


def test_nobody_asks_for_a_key_in_ones_own_process(
    run: Run, fasta: Path, toy_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BASECAST_API_KEYS_FILE", "/of/a/service")
    assert run("mutagenesis", fasta, "--start", 1, "--models", toy_models / "gc", "-q").out == TSV


def test_one_of_several_sequences_is_chosen_by_its_id(run: Run, toy_models: Path) -> None:
    several = b">a\nGG\n>b\nGA\n"
    models = ("--models", toy_models / "gc", "-q")
    assert run("mutagenesis", "-", "--id", "b", "--start", 1, *models, stdin=several).out == TSV
    done = run("mutagenesis", "-", *models, stdin=several)
    assert (done.status, done.err) == (1, "error: -: 2 sequences are meant; choose one with --id\n")


def test_an_interval_of_a_reference_is_read_on_its_contig(run: Run, tmp_path: Path) -> None:
    write_window_bundle(tmp_path / "models")
    genomes = write_genomes(tmp_path)
    output = tmp_path / "map.csv"
    done = run(
        *("mutagenesis", "--interval", "1:50-50", "--reference", genomes["reference"]),
        *("--models", tmp_path / "models", "-o", output),
    )
    assert (done.status, done.err) == (0, "gc-window@1.0.0: 1 positions of chr1:45-54\n")
    values = ("0.4", "0.5", "0.5", "0.4")
    assert output.read_text().splitlines()[1:] == [
        f"49,A,{base},{value}" for base, value in zip("ACGT", values, strict=True)
    ]


def test_centred_values_are_asked_for(run: Run, fasta: Path, toy_models: Path) -> None:
    done = run("mutagenesis", fasta, "--start", 1, "--centre", "--models", toy_models / "gc", "-q")
    assert [line.split("\t")[3] for line in done.out.splitlines()[1:]] == [
        "0.0",
        "0.1666667",
        "0.1666667",
        "-0.3333333",
    ]


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_a_picture_is_drawn_by_its_ending(run: Run, fasta: Path, toy_models: Path, tmp_path: Path, ending: str) -> None:
    picture = tmp_path / f"map.{ending}"
    assert run("mutagenesis", fasta, "--models", toy_models / "gc", "-q", "--plot", picture).status == 0
    begin = {"png": PNG, "svg": b"<?xml", "pdf": b"%PDF"}[ending]
    assert picture.read_bytes().startswith(begin)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.fa", picture.name]


def test_without_matplotlib_one_line_says_what_to_install(
    run: Run, fasta: Path, toy_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    done = run("mutagenesis", fasta, "--models", toy_models / "gc", "-q", "--plot", tmp_path / "map.png")
    assert (done.status, done.err) == (1, "error: drawing needs matplotlib: pip install 'basecast[plot]'\n")


def test_a_refusal_is_one_line(run: Run, toy_models: Path) -> None:
    done = run("mutagenesis", "-", "--models", toy_models / "gc", stdin=b">a\nG!\n")
    assert done.status == 1
    assert done.err == "error: 1 of 1 sequences are refused; nothing was predicted.\n"


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("in.fa", "--interval", "chr1:1-2"),
        ("--interval", "chr1:1-2"),
        ("in.fa", "--url", "http://127.0.0.1:1", "--models", "models"),
        ("in.fa", "--plot", "map.doc"),
        ("in.fa", "--plot", "/no/such/folder/map.png"),
    ],
)
def test_contradictions_are_wrong_usage(run: Run, arguments: tuple[str, ...]) -> None:
    assert run("mutagenesis", *arguments).status == 2
