"""`basecast predict`, run as a user runs it."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest

from tests.live import LiveServer, free_port
from tests.terminal import Finished, Run, Terminal, start

FASTA = ">a\nGGCA\n>b\nTTTT\n"
TSV = "id\tbases\ttokens\tgc_fraction\na\t4\t4\t0.75\nb\t4\t4\t0.0\n"


@pytest.fixture
def fasta(tmp_path: Path) -> Path:
    path = tmp_path / "in.fa"
    path.write_text(FASTA)
    return path


def test_predictions_go_to_stdout_as_tsv(run: Run, fasta: Path, toy_models: Path) -> None:
    done = run("predict", fasta, "--models", toy_models, "--model", "gc")
    assert done == Finished(0, TSV, "gc@1.0.0: 2 predicted, 0 refused\n")


def test_quiet_says_nothing(run: Run, fasta: Path, toy_models: Path) -> None:
    assert run("predict", fasta, "--models", toy_models / "gc", "-q") == Finished(0, TSV, "")


def test_standard_input_is_read_for_a_dash(run: Run, toy_models: Path) -> None:
    done = run("predict", "-", "--models", toy_models / "gc", "-q", stdin=FASTA.encode())
    assert done == Finished(0, TSV, "")


def test_a_running_service_answers_the_same(run: Run, fasta: Path, live_server: LiveServer) -> None:
    assert run("predict", fasta, "--url", live_server.url, "--model", "gc", "-q") == Finished(0, TSV, "")


def test_the_output_s_ending_chooses_its_form(run: Run, fasta: Path, toy_models: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.ndjson"
    assert run("predict", fasta, "--models", toy_models / "gc", "-q", "--output", output) == Finished(0, "", "")
    first = json.loads(output.read_text().splitlines()[0])
    assert first == {"id": "a", "bases": 4, "tokens": 4, "gc_fraction": 0.75}


def test_refused_sequences_are_listed_and_make_the_status_3(run: Run, toy_models: Path) -> None:
    table = b"id,sequence\na,GGCA\nb,GG!A\nc,\nd,TTTT\n"
    done = run("predict", "-", "--models", toy_models / "gc", stdin=table)
    assert done.status == 3
    assert [line.partition("\t")[0] for line in done.out.splitlines()] == ["id", "a", "d"]
    letters = "this model accepts A, C, G, T, U, N."
    assert done.err.splitlines() == [
        f"refused: record 2 (b): invalid_base: The character at index 2 is not a base; {letters}",
        "refused: record 3 (c): empty: The sequence is empty.",
        "gc@1.0.0: 2 predicted, 2 refused",
    ]


def test_with_every_sequence_refused_the_table_has_its_header(run: Run, toy_models: Path) -> None:
    done = run("predict", "-", "--models", toy_models / "gc", stdin=b">a\n!\n")
    assert (done.status, done.out) == (3, "id\tbases\ttokens\tgc_fraction\n")


def test_control_characters_of_an_id_do_not_reach_the_terminal(run: Run, toy_models: Path) -> None:
    done = run("predict", "-", "--models", toy_models / "gc", stdin=b">a\x1b[2J\n!\n")
    assert "record 1 (a?[2J)" in done.err


def test_among_several_models_one_must_be_named(run: Run, fasta: Path, toy_models: Path) -> None:
    done = run("predict", fasta, "--models", toy_models)
    assert done.status == 1
    assert done.err.endswith("choose one with --model: gc, mean-id\n")
    done = run("predict", fasta, "--models", toy_models, "--model", "gc@9.9.9")
    assert done.err.endswith("there is gc, mean-id\n")


@pytest.mark.parametrize("source", ["none.fa", "."])
def test_an_input_that_cannot_be_read_is_one_line(run: Run, toy_models: Path, source: str) -> None:
    done = run("predict", source, "--models", toy_models / "gc")
    assert (done.status, done.out, len(done.err.splitlines())) == (1, "", 1)
    assert done.err.startswith(f"error: {source}: ")


def test_nothing_is_left_of_an_output_that_failed(run: Run, toy_models: Path, tmp_path: Path) -> None:
    table = b"id,sequence\na,GGCA\nb\n"
    done = run("predict", "-", "--models", toy_models / "gc", "-o", tmp_path / "out.csv", stdin=table)
    assert (done.status, list(tmp_path.iterdir())) == (1, [])


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_that_is_stopped_cleans_up(slow_models: Path, tmp_path: Path, number: int, status: int) -> None:
    process = start("predict", "-", "--models", slow_models / "slow", "-o", tmp_path / "out.csv")
    process.stdin.write("".join(f">{bases}\n{'G' * bases}\n" for bases in range(1, 1001)))
    process.stdin.flush()
    while not list(tmp_path.iterdir()):
        time.sleep(0.02)
    process.send_signal(number)
    process.communicate(timeout=20)
    assert (process.returncode, list(tmp_path.iterdir())) == (status, [])


def test_a_service_that_is_not_there_is_one_line(run: Run, fasta: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    done = run("predict", fasta, "--url", url)
    assert done == Finished(1, "", f"error: {url}: connection refused; is `basecast serve` running there?\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["predict"],
        ["predict", "in.fa", "-o", "out.xlsx"],
        ["predict", "in.fa", "-o", "none/out.csv"],
        ["predict", "in.fa", "--url", "http://127.0.0.1", "--device", "cpu"],
        ["serve", "--port", "70000"],
        ["nothing"],
    ],
)
def test_wrong_usage_has_the_status_2(run: Run, arguments: list[str]) -> None:
    assert run(*arguments).status == 2


def test_a_terminal_sees_a_progress_bar_unless_rows_go_there(toy_models: Path, fasta: Path, tmp_path: Path) -> None:
    with Terminal() as terminal:
        process = start(
            "predict", fasta, "--models", toy_models / "gc", "-o", tmp_path / "out.csv", stderr=terminal.end
        )
        process.communicate(timeout=20)
        assert "2/2" in terminal.shown_until("2 predicted, 0 refused")
        process = start("predict", fasta, "--models", toy_models / "gc", stdout=terminal.end, stderr=terminal.end)
        process.communicate(timeout=20)
        assert "2/2" not in terminal.shown_until("2 predicted, 0 refused")
