"""What is in the folder under its own name is whole, and one run at a time works there."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.errors import ShardError
from app.shards.folder import Refused, Tally, WorkFolder, open_work_folder, placed
from app.shards.plan import Shard
from tests.shards.test_plan import PLAN

FIRST, SECOND = PLAN.shards
TALLY = Tally(predicted=1, refused=(Refused(2, "b", "empty", "The sequence is empty."),), table_bytes=5, place="here/1")


@pytest.fixture
def folder(tmp_path: Path) -> WorkFolder:
    with open_work_folder(tmp_path / "parts", ".tsv") as folder:
        folder.save_plan(PLAN)
    return folder


def test_a_shard_is_done_once_its_tally_is_there(folder: WorkFolder) -> None:
    assert folder.done(PLAN) == frozenset()
    folder.write(SECOND, b"table", TALLY)
    assert folder.done(PLAN) == {1}
    assert (folder.is_done(FIRST), folder.is_done(SECOND)) == (False, True)
    assert (folder.tally(SECOND), folder.table(1).read_bytes()) == (TALLY, b"table")


def test_a_table_without_its_tally_is_not_done(folder: WorkFolder) -> None:
    folder.write(FIRST, b"table", TALLY)
    (folder.path / "000000.json").unlink()
    assert (folder.done(PLAN), folder.is_done(FIRST)) == (frozenset(), False)


@pytest.mark.parametrize("damage", ["000000.tsv", "000000.json"])
def test_a_damaged_part_is_computed_anew_next_time(folder: WorkFolder, damage: str) -> None:
    folder.write(FIRST, b"table", TALLY)
    (folder.path / damage).write_bytes(b"ta")
    with pytest.raises(ShardError, match=r"part 000000 in .* was damaged; run the same again"):
        folder.tally(FIRST)
    assert not folder.is_done(FIRST)


def test_what_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(TypeError), placed(tmp_path / "a") as file:
        file.writelines([b"half", None])
    assert list(tmp_path.iterdir()) == []


def test_a_second_run_is_kept_out(folder: WorkFolder) -> None:
    with open_work_folder(folder.path, ".tsv"), pytest.raises(ShardError, match="another run works in"):
        open_work_folder(folder.path, ".tsv").__enter__()
    with open_work_folder(folder.path, ".tsv") as again:
        assert again.plan() == PLAN


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("")
    with pytest.raises(ShardError, match="holds something else"):
        open_work_folder(tmp_path, ".tsv").__enter__()
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_plan_that_cannot_be_read_is_told(folder: WorkFolder) -> None:
    (folder.path / "plan.json").write_text("{}")
    with pytest.raises(ShardError, match="delete the folder to begin anew"):
        folder.plan()


def test_a_folder_that_cannot_be_written_to_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ShardError, match="file/parts: Not a directory"):
        open_work_folder(tmp_path / "file" / "parts", ".tsv").__enter__()


def test_names_of_parts_have_room_for_many(folder: WorkFolder) -> None:
    assert folder.table(1_234_567).name == "1234567.tsv"
    assert folder.done(PLAN.model_copy(update={"shards": (Shard(1_234_567, 1, 1, 0, 1),)})) == frozenset()
