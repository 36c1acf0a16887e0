"""`basecast predict --engine local`, run as a user runs it, killed and begun again."""

from __future__ import annotations

import gzip
import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from app.tables import WRITERS
from tests.terminal import Finished, Run, Terminal, start
from tests.toy import write_toy_bundle

# The gc of records 1, 2, 5; the third is refused, and the fourth has no base that counts.
FASTA = ">a\nGGCA\n>b\nTTTT\n>c\nG!\n>d\nNN\n>e\nGG\nCC\n"
TSV = "id\tbases\ttokens\tgc_fraction\na\t4\t4\t0.75\nb\t4\t4\t0.0\ne\t4\t4\t1.0\n"
LETTERS = "this model accepts A, C, G, T, U, N."
NOT_FINITE = "The model answered NaN or infinity for this item; the other items are not affected."
REFUSED = [
    f"refused: record 3 (c): invalid_base: The character at index 1 is not a base; {LETTERS}",
    f"refused: record 4 (d): non_finite_output: {NOT_FINITE}",
]


@pytest.fixture
def fasta(tmp_path: Path) -> Path:
    path = tmp_path / "in.fa"
    path.write_text(FASTA)
    return path


def in_twos(source: object, models: Path, *more: object) -> list[object]:
    return ["predict", source, "--models", models / "gc", "--engine", "local", "--shard-sequences", 2, *more]


def times_of(parts: Path) -> dict[str, int]:
    """When each part was written."""
    return {path.name: path.stat().st_mtime_ns for path in parts.glob("[0-9]*")}


def test_the_table_is_the_one_without_shards(run: Run, fasta: Path, toy_models: Path, tmp_path: Path) -> None:
    done = run(*in_twos(fasta, toy_models, "-o", tmp_path / "out.tsv"))
    summary = ["gc@1.0.0: 3 predicted, 2 refused", "3 shards by 1 engine on 1 machine"]
    assert (done.status, done.out, done.err.splitlines()) == (3, "", REFUSED + summary)
    assert (tmp_path / "out.tsv").read_text() == TSV
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.fa", "out.tsv"]


@pytest.mark.parametrize("ending", WRITERS)
def test_every_form_is_the_same_to_the_byte(
    run: Run, fasta: Path, toy_models: Path, tmp_path: Path, ending: str
) -> None:
    streamed, sharded = tmp_path / f"streamed{ending}", tmp_path / f"sharded{ending}"
    run("predict", fasta, "--models", toy_models / "gc", "-q", "-o", streamed)
    run(*in_twos(fasta, toy_models, "-q", "-o", sharded))
    assert sharded.read_bytes() == streamed.read_bytes()


@pytest.mark.parametrize("pipe", [FASTA.encode(), gzip.compress(FASTA.encode())])
def test_what_cannot_be_read_from_anywhere_is_copied_first(
    run: Run, toy_models: Path, tmp_path: Path, pipe: bytes
) -> None:
    parts = tmp_path / "parts"
    done = run(*in_twos("-", toy_models, "-q", "--work-dir", parts, "--keep-parts"), stdin=pipe)
    assert (done.status, done.out) == (3, TSV)
    assert (parts / "input").read_text() == FASTA


def test_kept_parts_are_joined_again_and_not_computed(run: Run, fasta: Path, toy_models: Path, tmp_path: Path) -> None:
    arguments = in_twos(fasta, toy_models, "-o", tmp_path / "out.tsv", "--keep-parts")
    first = run(*arguments)
    made_at = times_of(tmp_path / "out.tsv.parts")
    again = run(*arguments)
    assert again.err == "going on: 3 of 3 shards are there\n" + first.err
    assert times_of(tmp_path / "out.tsv.parts") == made_at


def test_only_what_is_missing_is_computed(run: Run, fasta: Path, toy_models: Path, tmp_path: Path) -> None:
    arguments = in_twos(fasta, toy_models, "-q", "-o", tmp_path / "out.tsv", "--keep-parts")
    run(*arguments)
    parts = tmp_path / "out.tsv.parts"
    (parts / "000000.tsv").write_text((parts / "000000.tsv").read_text().replace("0.75", "0.99"))
    (parts / "000002.json").unlink()
    assert run(*arguments).status == 3
    assert (tmp_path / "out.tsv").read_text() == TSV.replace("0.75", "0.99")


def test_a_damaged_part_is_told_and_made_anew(run: Run, fasta: Path, toy_models: Path, tmp_path: Path) -> None:
    arguments = in_twos(fasta, toy_models, "-q", "-o", tmp_path / "out.tsv", "--keep-parts")
    run(*arguments)
    parts = tmp_path / "out.tsv.parts"
    (parts / "000001.tsv").write_text("")
    told = f"error: part 000001 in {parts} was damaged; run the same again to make it anew\n"
    assert run(*arguments).err.endswith(told)
    assert run(*arguments).status == 3
    assert (tmp_path / "out.tsv").read_text() == TSV


def other_input(fasta: Path, tmp_path: Path) -> list[object]:
    fasta.write_text(FASTA.replace("TTTT", "TTTA"))
    return ["--models", tmp_path / "models" / "gc"]


def other_model(fasta: Path, tmp_path: Path) -> list[object]:
    return ["--models", write_toy_bundle(tmp_path / "other", version="2.0.0")]


def other_options(fasta: Path, tmp_path: Path) -> list[object]:
    return ["--models", tmp_path / "models" / "gc", "--shard-sequences", 3]


@pytest.mark.parametrize(
    ("change", "told"),
    [(other_input, "another input"), (other_model, "another model"), (other_options, "other options")],
)
def test_parts_of_another_run_are_not_mixed_in(
    run: Run, fasta: Path, tmp_path: Path, change: object, told: str
) -> None:
    write_toy_bundle(tmp_path / "models")
    arguments = ["predict", fasta, "-q", "--work-dir", tmp_path / "parts", "--keep-parts", "--shard-sequences", 2]
    run(*arguments, "--models", tmp_path / "models" / "gc")
    done = run(*arguments, *change(fasta, tmp_path))
    assert (done.status, done.out) == (1, "")
    assert done.err == (
        f"error: {tmp_path}/parts holds the parts of {told}; delete it to begin anew, or name another with --work-dir\n"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["--engine", "local"],
        ["--engine", "spark", "-o", "out.tsv"],
        ["--engine", "local", "-o", "out.tsv", "--url", "http://127.0.0.1"],
        ["--work-dir", "none/parts"],
        ["--work-dir", "parts", "--shard-sequences", "0"],
    ],
)
def test_wrong_usage_has_the_status_2(run: Run, arguments: list[str]) -> None:
    assert run("predict", "in.fa", *arguments).status == 2


def test_an_input_or_a_model_that_cannot_be_used_is_one_line(run: Run, toy_models: Path, tmp_path: Path) -> None:
    done = run(*in_twos(tmp_path / "none.fa", toy_models, "--work-dir", tmp_path / "parts"))
    assert done == Finished(1, "", f"error: {tmp_path}/none.fa: No such file or directory\n")
    done = run("predict", "in.fa", "--work-dir", tmp_path / "parts", "--model", "geuvadis-elastic-net")
    assert done == Finished(1, "", "error: geuvadis-elastic-net: this model reads genotypes and no sequences\n")


def test_a_terminal_sees_a_bar_of_shards(fasta: Path, toy_models: Path, tmp_path: Path) -> None:
    with Terminal() as terminal:
        start(*in_twos(fasta, toy_models, "-o", tmp_path / "out.csv"), stderr=terminal.end).communicate(timeout=60)
        assert "3/3 shards" in terminal.shown_until("3 predicted, 2 refused")


@pytest.fixture
def long_fasta(tmp_path: Path) -> Path:
    """Some seconds of work for `slow`, and nothing that is computed together."""
    path = tmp_path / "long.fa"
    path.write_text("".join(f">{bases}\n{'G' * bases}{'A' * 10}\n" for bases in range(1, 13)))
    return path


def slowly(source: Path, models: Path, output: Path) -> list[object]:
    return ["predict", source, "--models", models / "slow", "-o", output, "--engine", "local", "--shard-sequences", 1]


def wait_for_parts(process: subprocess.Popen[str], parts: Path, count: int) -> list[Path]:
    """The tallies that are there once so many are."""
    while len(found := sorted(parts.glob("[0-9]*.json"))) < count:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    return found


def test_a_run_that_is_killed_goes_on_to_the_same_table(
    run: Run, long_fasta: Path, slow_models: Path, tmp_path: Path
) -> None:
    output, parts = tmp_path / "out.csv", tmp_path / "out.csv.parts"
    process = start(*slowly(long_fasta, slow_models, output))
    wait_for_parts(process, parts, 1)
    process.kill()
    process.communicate(timeout=60)
    before = times_of(parts)
    whole = len(list(parts.glob("[0-9]*.json")))
    assert (whole < 12, output.exists()) == (True, False)

    done = run(*slowly(long_fasta, slow_models, output), "--keep-parts")
    assert done.status == 0
    assert done.err.startswith(f"going on: {whole} of 12 shards are there\n")
    assert times_of(parts).items() >= {name: it for name, it in before.items() if name.endswith(".json")}.items()
    run(*slowly(long_fasta, slow_models, tmp_path / "unbroken.csv"), "-q")
    assert output.read_bytes() == (tmp_path / "unbroken.csv").read_bytes()


def test_a_run_that_is_stopped_keeps_its_parts(long_fasta: Path, slow_models: Path, tmp_path: Path) -> None:
    process = start(*slowly(long_fasta, slow_models, tmp_path / "out.csv"))
    wait_for_parts(process, tmp_path / "out.csv.parts", 1)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert (process.returncode, (tmp_path / "out.csv").exists()) == (143, False)
    plan = json.loads((tmp_path / "out.csv.parts" / "plan.json").read_text())
    assert len(plan["shards"]) == 12
