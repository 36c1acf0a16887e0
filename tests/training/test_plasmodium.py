"""Windows around genes, cut from a genome in the direction of each gene."""

import gzip
import lzma
from pathlib import Path

import numpy as np
import pytest

from training.config import DataConfig
from training.datasets.homology import GENOME_STRETCH, related_pairs
from training.datasets.options import GroupingOptions, WindowOptions
from training.datasets.plasmodium import FEATURES, GENOME, LEVELS, read_plasmodium
from training.datasets.registry import read_source
from training.datasets.table import Table
from training.errors import DataError

# A gene starts with ATG at position 5, counted from 0; another, on the other strand, with CAT read back from 14.
CONTIG = "TTTACATGCCGGCATGTAAAGG"
FEATURE_COLUMNS = ["# feature", "class", "genomic_accession", "start", "end", "strand", "locus_tag", "name"]
GENES = [
    ["gene", "protein_coding", "chr1", "6", "11", "+", "forward", ""],
    ["CDS", "with_protein", "chr1", "6", "11", "+", "forward", ""],
    ["CDS", "with_protein", "chr1", "10", "15", "-", "backward", ""],
    ["CDS", "with_protein", "chr1", "2", "11", "+", "too near the start", ""],
    ["CDS", "with_protein", "chr1", "21", "22", "+", "too near the end", ""],
    ["CDS", "with_protein", "chr1", "6", "11", "+", "not measured", ""],
    ["CDS", "with_protein", "chr2", "6", "11", "+", "on no contig", ""],
]
LEVELS_OF = {
    "forward": ("0.9", "9.9", "99.9"),
    "backward": ("0", "0", "1"),
    "too near the start": ("1", "1", "1"),
    "too near the end": ("1", "1", "1"),
    "on no contig": ("1", "1", "1"),
}
WINDOW = WindowOptions(upstream_bases=2, downstream_bases=3)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "pf"
    folder.mkdir()
    with lzma.open(folder / GENOME, "wt") as file:
        file.write(f">chr1 the only one\n{CONTIG[:10].lower()}\n{CONTIG[10:]}\n")
    write(folder / FEATURES, [FEATURE_COLUMNS, *GENES])
    for strain, name in LEVELS.items():
        levels = [[tag, *of] for tag, of in LEVELS_OF.items() if (strain, tag) != ("D6", "backward")]
        write(folder / name, [["time_points", "0", "3", "6"], *levels])
    return folder


def test_a_gene_is_read_along_its_strand_with_its_first_base_at_the_index_upstream(folder: Path) -> None:
    table = read_plasmodium(folder, WINDOW)

    assert table.ids == ("forward", "backward")
    assert table.sequences == ("ACATG", "ACATG")
    assert table.contigs == ("chr1", "chr1")


def test_the_target_is_the_logarithm_of_the_median_over_the_hours(folder: Path) -> None:
    table = read_plasmodium(folder, WINDOW)

    assert table.targets.names == ("log10_median_fpkm",)
    assert table.targets.values[:, 0].tolist() == pytest.approx([1.0, -1.0])


def test_the_courses_of_all_strains_are_auxiliary(folder: Path) -> None:
    auxiliary = read_plasmodium(folder, WINDOW, auxiliary=True).auxiliary

    assert auxiliary.names[:4] == ("3d7_0h", "3d7_3h", "3d7_6h", "d6_0h")
    assert len(auxiliary.names) == 4 * 3
    assert auxiliary.values[0, :3].tolist() == pytest.approx([0, 1, 2])
    assert np.isnan(auxiliary.values[1, 3:6]).all()
    assert auxiliary.weights[1].tolist() == [1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1]


def test_a_file_that_is_missing_is_named_with_where_to_get_it(folder: Path) -> None:
    (folder / FEATURES).unlink()

    with pytest.raises(DataError, match=f"lacks {FEATURES}.*GCA_000002765.3"):
        read_source(DataConfig("plasmodium", "pf"), folder.parent)


def test_a_file_of_another_kind_is_refused_in_one_line(folder: Path) -> None:
    write(folder / LEVELS["3D7"], [["time_points", "0"], ["forward", "high"]])

    with pytest.raises(DataError, match="not the files of plasmodium: could not convert string to float"):
        read_source(DataConfig("plasmodium", "pf", window=WINDOW), folder.parent)


def test_the_real_genome_gives_4996_genes_and_no_stretch_in_two_groups(plasmodium_table: Table) -> None:
    starts = [sequence[2000:2003] for sequence in plasmodium_table.sequences]
    sizes = np.bincount(plasmodium_table.groups)

    assert len(plasmodium_table) == 4996
    assert {len(sequence) for sequence in plasmodium_table.sequences} == {4000}
    assert starts.count("ATG") == 4965  # the others are pseudogenes and odd annotations
    assert (len(sizes), max(sizes)) == (1937, 293)
    first, second = related_pairs(plasmodium_table.sequences[:1000], GENOME_STRETCH).T
    assert np.array_equal(plasmodium_table.groups[first], plasmodium_table.groups[second])


def test_var_rifin_and_stevor_genes_are_one_family(plasmodium_table: Table, data_folder: Path) -> None:
    path = data_folder / "plasmodium-falciparum-promoter" / FEATURES
    with gzip.open(path, "rt") as lines:
        header, *rows = (line.rstrip("\n").split("\t") for line in lines)
    product_of = {row[header.index("locus_tag")]: row[header.index("name")] for row in rows if row[0] == "CDS"}
    family = {"rifin", "stevor", "erythrocyte membrane protein 1, PfEMP1"}

    groups = [
        group
        for group, tag in zip(plasmodium_table.groups, plasmodium_table.ids, strict=True)
        if product_of[tag] in family
    ]

    assert len(groups) == 98 + 26 + 61
    assert len(set(groups)) == 1


def test_blocks_of_a_chromosome_are_fewer_and_larger_groups(folder: Path) -> None:
    overlap = read_plasmodium(folder, WINDOW, GroupingOptions("overlap"))
    block = read_plasmodium(folder, WINDOW, GroupingOptions("block", block_bases=10))

    # The two windows do not overlap, but they are equal, so both ways keep them together.
    assert overlap.groups.tolist() == block.groups.tolist() == [0, 0]


def write(path: Path, rows: list[list[str]]) -> None:
    with gzip.open(path, "wt") as file:
        file.writelines("\t".join(row) + "\n" for row in rows)
