"""The full human task from files that a person supplies: a genome, gene starts and GTEx's table."""

from dataclasses import replace
from pathlib import Path

import pytest

from training.config import DataConfig
from training.datasets.epd_gtex import COLUMN_OF, TISSUES
from training.datasets.options import GenomeOptions, WindowOptions
from training.datasets.registry import read_source
from training.datasets.table import Table
from training.errors import ConfigError, DataError

ALU = "ggccgggcgcggtggctcacgcctgtaatcccagca"  # in lower case, as genomes mark repeats
FAMILY = "ACGTTGCAAGGCTCTATTCGGACTTACCGATCCA"
CHR1 = "TTACG" + ALU + "ATGCA" + "CCATT" + FAMILY + "GGTAC"
CHR2 = "ACCTA" + ALU + "TTGAC" + "ACGGA" + FAMILY + "CATTG"
STARTS = """\
gene\tcontig\tstart\tstrand
ENSG01.3\tchr1\t6\t+
ENSG02\tchr1\t52\t+
ENSG03\tchr2\t41\t-
ENSG04\tchr2\t52\t+
ENSG05\tchr2\t3\t+
ENSG06\tchr2\t60\t+
"""
TPM = {"ENSG01.1": "10", "ENSG02.7": "0", "ENSG03.1": "100", "ENSG04.1": "0.001", "ENSG05.1": "1"}
CONFIG = DataConfig(
    "gtex_genome",
    "genome",
    window=WindowOptions(upstream_bases=5, downstream_bases=35),
    genome=GenomeOptions("genome.fa", "starts.tsv", "gtex.tsv"),
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "genome"
    folder.mkdir()
    (folder / "genome.fa").write_text(f">chr1\n{CHR1}\n>chr2 of two\n{CHR2}\n")
    (folder / "starts.tsv").write_text(STARTS)
    lines = ["\t".join(["gene", *COLUMN_OF.values()]), *("\t".join([gene] + [tpm] * 7) for gene, tpm in TPM.items())]
    (folder / "gtex.tsv").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_genes_with_a_level_and_a_whole_window_are_read_without_their_version(data: Path) -> None:
    table = read_source(CONFIG, data)

    # The fifth begins too near the contig's start; the sixth has no level.
    assert table.ids == ("ENSG01", "ENSG02", "ENSG03", "ENSG04")
    assert table.contigs == ("chr1", "chr1", "chr2", "chr2")
    assert table.sequences[0] == CHR1[:40].upper()
    assert table.sequences[1][5:] == FAMILY + "G"


def test_a_gene_without_expression_is_at_a_thousandth(data: Path) -> None:
    table = read_source(CONFIG, data)

    assert table.targets.names == ("log10_tpm_pituitary",)
    assert table.targets.values[:, 0].tolist() == pytest.approx([1, -3, 2, -3])
    assert (table.quantities[0].unit, table.quantities[0].pseudocount) == ("log10(TPM)", 0)
    assert table.quantities[0].description.endswith("donors; below 0.001 TPM counts as that.")


def test_other_tissues_are_auxiliary(data: Path) -> None:
    assert read_source(replace(CONFIG, auxiliary=True), data).auxiliary.values.shape == (4, len(TISSUES) - 1)


def test_a_shared_repeat_relates_no_genes_but_a_shared_family_does(data: Path) -> None:
    assert groups(read_source(CONFIG, data)) == [0, 1, 2, 1]


def test_without_lower_case_a_repeat_relates_genes(data: Path) -> None:
    path = data / "genome" / "genome.fa"
    path.write_text(path.read_text().replace(ALU, ALU.upper()))
    flipped = STARTS.replace("chr2\t41\t-", "chr2\t6\t+")
    (data / "genome" / "starts.tsv").write_text(flipped)

    assert groups(read_source(CONFIG, data)) == [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("chr2\t41\t-", "chr2\t41\t."), "starts.tsv, line 4: strand is neither"),
        (("chr2\t41\t-", "chr2\t0\t-"), "starts.tsv, line 4: start is no position"),
        (("chr2\t41\t-", "chr2\t4.5\t-"), "starts.tsv, line 4: start is no position"),
        (("ENSG03", "ENSG02"), "starts.tsv, line 4: gene ENSG02 is also in line 3"),
        (
            ("ENSG03", "ENSG01.4_PAR_Y"),
            "line 4: gene ENSG01.4_PAR_Y is also in line 2, but for its version",
        ),
        (("chr", "CM00"), "starts.tsv: no gene has a level in gtex.tsv and a window in genome.fa"),
        (("strand", "direction"), "starts.tsv: no column strand"),
    ],
)
def test_what_is_wrong_with_the_gene_starts_is_named(data: Path, change: tuple[str, str], message: str) -> None:
    (data / "genome" / "starts.tsv").write_text(STARTS.replace(*change))

    with pytest.raises(DataError, match=message):
        read_source(CONFIG, data)


def test_files_that_a_person_must_supply_are_named_with_where_to_get_them(data: Path) -> None:
    (data / "genome" / "genome.fa").unlink()

    with pytest.raises(DataError, match=r"lacks genome.fa\. A person supplies the genome .*hgdownload"):
        read_source(CONFIG, data)
    with pytest.raises(ConfigError, match="fasta and starts must be named"):
        read_source(replace(CONFIG, genome=GenomeOptions()), data)


def groups(table: Table) -> list[int]:
    return table.groups.tolist()
