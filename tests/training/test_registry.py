"""Every data set is known by a name, with what a person needs to have it."""

from pathlib import Path
from typing import get_args

import pytest

from training.config import DataConfig
from training.datasets.options import SourceName, UtrseqOptions
from training.datasets.registry import SOURCES, read_source
from training.errors import ConfigError, DataError


def test_every_name_that_a_configuration_may_give_is_a_data_set() -> None:
    assert set(SOURCES) == set(get_args(SourceName))


@pytest.mark.parametrize("name", get_args(SourceName))
def test_a_missing_folder_is_named_with_where_to_get_its_files(name: SourceName, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder; name the folder that holds nothing/ with --data") as refused:
        read_source(DataConfig(name, "nothing"), tmp_path)

    assert str(refused.value).endswith(SOURCES[name].obtained)


@pytest.mark.parametrize("name", [name for name, source in SOURCES.items() if source.files])
def test_all_missing_files_are_named_at_once(name: SourceName, tmp_path: Path) -> None:
    with pytest.raises(DataError) as refused:
        read_source(DataConfig(name, "."), tmp_path)

    assert all(file in str(refused.value) for file in SOURCES[name].files)


def test_promoters_and_transcripts_differ_by_strand() -> None:
    assert all(DataConfig(name, "any").strand_specific for name in SOURCES)


def test_all_reporters_of_utrseq_need_the_file_with_their_sequences(tmp_path: Path) -> None:
    config = DataConfig("utrseq", ".", utrseq=UtrseqOptions("all"))

    with pytest.raises(DataError, match=r"lacks mRNA_sequences\.csv, .*github.com/OrensteinLab/DeepUTR"):
        read_source(config, tmp_path)


def test_targets_are_chosen_only_where_there_is_a_choice(toy_data: Path) -> None:
    with pytest.raises(ConfigError, match=r"data\.targets: utrseq has no choice of targets"):
        read_source(DataConfig("utrseq", "toy", targets=("log2_change_8h_2h",)), toy_data)
