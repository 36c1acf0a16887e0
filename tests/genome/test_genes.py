"""The gene table: GTF or BED, by name or id."""

from __future__ import annotations

import gzip

import pytest

from app.errors import SettingsError, Unprocessable
from app.genome.genes import Gene, GeneTable, read_genes

SYNGR1 = Gene("ENSG00000100321.16", "SYNGR1", "chr22", 39349924, 39385575, "+")
GENE_LINE = 'chr22\tHAVANA\tgene\t39349925\t39385575\t.\t+\t.\tgene_id "ENSG00000100321.16"; gene_name "SYNGR1";'
GTF = f"""#!genome-build GRCh38
{GENE_LINE}
chr22\tHAVANA\ttranscript\t39349925\t39350000\t.\t+\t.\tgene_id "ENSG00000100321.16"; transcript_id "T1";
chr22\tHAVANA\texon\t39349925\t39350000\t.\t+\t.\tgene_id "ENSG00000100321.16"; transcript_id "T1";
chrX\tHAVANA\tgene\t101\t200\t.\t-\t.\tgene_id "ENSG00000182378.15"; gene_name "PLCXD1";
chrY\tHAVANA\tgene\t101\t200\t.\t-\t.\tgene_id "ENSG00000182378.15_PAR_Y"; gene_name "PLCXD1";
"""


def table(tmp_path, text: str, name: str = "genes.gtf") -> GeneTable:
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return read_genes(path)


@pytest.mark.parametrize("name", ["genes.gtf", "genes.gtf.gz"])
@pytest.mark.parametrize("text", ["SYNGR1", "ENSG00000100321.16", "ENSG00000100321", "ENSG00000100321.9"])
def test_a_gene_is_found_by_name_and_by_id_of_any_version(tmp_path, name, text):
    assert table(tmp_path, GTF, name).find(text) == SYNGR1


def test_the_tss_is_where_transcription_begins():
    assert SYNGR1.tss == 39349924
    assert Gene("g", "g", "chr1", 100, 200, "-").tss == 199


def test_an_ambiguous_name_lists_the_ids(tmp_path):
    genes = table(tmp_path, GTF)
    with pytest.raises(Unprocessable, match=r"2 genes have this name.*ENSG00000182378.15, ENSG00000182378.15_PAR_Y"):
        genes.find("PLCXD1")
    assert genes.find("ENSG00000182378").contig == "chrX"
    assert genes.find("ENSG00000182378_PAR_Y").contig == "chrY"


def test_an_unknown_gene_is_refused_without_its_name(tmp_path):
    with pytest.raises(Unprocessable) as error:
        table(tmp_path, GTF).find("SECRET1")
    assert [(item.pointer, item.code) for item in error.value.items] == [("/gene", "invalid_value")]
    assert "SECRET1" not in error.value.detail


def test_an_id_wins_over_a_name_that_equals_it():
    genes = GeneTable([Gene("A", "B", "1", 0, 9, "+"), Gene("B", "C", "1", 20, 29, "+")])
    assert genes.find("B").id == "B"


def test_without_gene_lines_a_gene_spans_its_transcripts(tmp_path):
    line = 'chr1\tx\ttranscript\t{}\t{}\t.\t-\t.\tgene_id "G1"; transcript_id "T";\n'
    assert table(tmp_path, line.format(11, 20) + line.format(5, 15)).find("G1") == Gene("G1", "G1", "chr1", 4, 20, "-")


@pytest.mark.parametrize("name", ["genes.bed", "genes.bed.gz"])
def test_reads_bed(tmp_path, name):
    text = "track name=x\nchr22\t10\t20\tSYNGR1\t0\t-\tmore\n\nchr22\t30\t40\tPDGFB\t0\t+\n"
    genes = table(tmp_path, text, name)
    assert genes.find("SYNGR1") == Gene("SYNGR1", "SYNGR1", "chr22", 10, 20, "-")
    assert genes.find("PDGFB").tss == 30


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.bed", "chr1\t1\t2\n", "line 1: expected contig, start, end, name, score, strand"),
        ("a.bed", "chr1\t1\tx\tg\t0\t+\n", "line 1: start and end are whole numbers"),
        ("a.bed", "chr1\t5\t5\tg\t0\t+\n", "line 1: the end is not behind the start"),
        ("a.bed", "#\nchr1\t1\t2\tg\t0\t.\n", "line 2: the strand of a gene is"),
        ("a.gtf", "chr1 x gene\n", "line 1: expected the 9 columns of a GTF"),
        ("a.gtf", "chr1\tx\tgene\t1\t2\t.\t+\t.\tname g\n", 'line 1: expected gene_id "..."'),
        ("a.gtf", "chr1\tx\tgene\t0\t2\t.\t+\t.\tgene_id g\n", "line 1: the end is not behind the start"),
        ("a.gtf", "", "the gene table has no gene"),
        ("a.gtf", "chr1\tx\texon\t1\t2\t.\t+\t.\tgene_id g\n", "the gene table has no gene"),
    ],
)
def test_a_broken_table_ends_the_start(tmp_path, name, text, expected):
    with pytest.raises(SettingsError) as error:
        table(tmp_path, text, name)
    assert expected in str(error.value)


def test_a_table_that_cannot_be_read_ends_the_start(tmp_path):
    with pytest.raises(SettingsError, match="cannot be read"):
        read_genes(tmp_path / "absent.gtf")
    (tmp_path / "plain.gtf.gz").write_text(GTF)
    with pytest.raises(SettingsError, match="cannot be read"):
        read_genes(tmp_path / "plain.gtf.gz")
    (tmp_path / "binary.gtf").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="cannot be read"):
        read_genes(tmp_path / "binary.gtf")
