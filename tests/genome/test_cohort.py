"""Cohorts that are read by region from indexed files."""

from __future__ import annotations

import gzip
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pysam
import pytest

from app.errors import InternalError, SettingsError, Unprocessable, VcfRefused
from app.genome.cohort import Cohort
from app.genome.vcf.query import GenotypeQuery
from tests.genome.vcfs import LIMITS, assert_equal_genotypes, read, vcf


def text(contig: str = "chr1", samples: str = "a b") -> bytes:
    deletion = f"{contig} 40 . A <DEL> . PASS END=90 GT 0|1 1|1"
    records = [f"{contig} {position} . A C,G . PASS . GT 0|1 {position % 3}" for position in range(100, 900, 3)]
    return vcf(deletion, *records, samples=samples, header=f"##contig=<ID={contig},length=1000>")


def indexed(folder: Path, name: str, content: bytes, *, csi: bool = False) -> Path:
    plain, compressed = folder / f"{name}.vcf", folder / f"{name}.vcf.gz"
    plain.write_bytes(content)
    pysam.tabix_compress(str(plain), str(compressed), force=True)
    pysam.tabix_index(str(compressed), preset="vcf", csi=csi, force=True)
    return compressed


@pytest.fixture
def cohort(tmp_path):
    opened = Cohort([str(indexed(tmp_path, "people", text()))], LIMITS)
    yield opened
    opened.close()


@pytest.mark.parametrize("csi", [False, True])
@pytest.mark.parametrize("contig", ["chr1", "1"])
@pytest.mark.parametrize(
    ("start", "end"), [(0, 1000), (50, 60), (400, 401), (399, 400), (950, 1000), (-50, 50), (-9, -3)]
)
@pytest.mark.parametrize("samples", [None, ("b",)])
def test_reads_what_an_upload_of_the_same_file_gives(tmp_path, csi, contig, start, end, samples):
    cohort = Cohort([str(indexed(tmp_path, "people", text(), csi=csi))], LIMITS)
    query = GenotypeQuery(contig, start, end, samples)
    found, expected = cohort.read(query), read(text(), query)
    assert_equal_genotypes(found, replace(expected, lines=np.zeros_like(expected.lines)))  # an index knows no lines
    cohort.close()


def test_says_who_and_what_is_in_it(cohort):
    assert cohort.samples == ("a", "b")
    assert cohort.contigs == ("chr1",)


def test_several_files_are_one_cohort(tmp_path):
    for contig in ("chr1", "chr2"):
        indexed(tmp_path, f"of-{contig}", text(contig))
    cohort = Cohort([str(tmp_path / "of-*.vcf.gz*")], LIMITS)
    assert cohort.contigs == ("chr1", "chr2")
    assert cohort.read(GenotypeQuery("2", 99, 105)).contig == "chr2"
    cohort.close()


def test_each_thread_reads_for_itself(cohort):
    queries = [GenotypeQuery("chr1", start, start + 50) for start in range(0, 900, 7)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(cohort.read, queries))
    for query, genotypes in zip(queries, found, strict=True):
        assert genotypes.positions.tolist() == read(text(), query).positions.tolist()


def test_an_unknown_contig_is_refused(cohort):
    with pytest.raises(VcfRefused) as error:
        cohort.read(GenotypeQuery("chr9", 0, 100))
    assert (error.value.problem_code, error.value.items[0].pointer) == ("vcf_contig", "/region")


def test_an_unknown_sample_is_refused(cohort):
    with pytest.raises(Unprocessable) as error:
        cohort.read(GenotypeQuery("chr1", 0, 100, samples=("x",)))
    assert error.value.items[0].pointer == "/samples/0"


def test_another_assembly_is_refused(cohort):
    with pytest.raises(VcfRefused, match="two assemblies"):
        cohort.read(GenotypeQuery("chr1", 0, 100, contig_bases=999))


def test_a_record_that_cannot_be_read_is_refused_without_a_line(tmp_path):
    cohort = Cohort([str(indexed(tmp_path, "people", vcf("chr1 5 . A C . . . GT 0|1 0|1|1")))], LIMITS)
    with pytest.raises(VcfRefused, match="A record of this region: a genotype has one or two alleles"):
        cohort.read(GenotypeQuery("chr1", 0, 100))
    cohort.close()


def test_a_file_that_is_damaged_later_is_a_fault_of_ours(tmp_path):
    path = indexed(tmp_path, "people", text())
    cohort = Cohort([str(path)], LIMITS)
    path.write_bytes(path.read_bytes()[:60] + bytes(200))
    with pytest.raises(InternalError, match="cannot be read any more"):
        cohort.read(GenotypeQuery("chr1", 0, 1000))
    cohort.close()


def refused(*sources: Path) -> str:
    with pytest.raises(SettingsError) as error:
        Cohort([str(source) for source in sources], LIMITS)
    return str(error.value)


def test_a_start_without_an_index_says_how_to_make_one(tmp_path):
    path = indexed(tmp_path, "people", text())
    path.with_name("people.vcf.gz.tbi").unlink()
    assert refused(path) == f"{path}: no index beside it; run: tabix -p vcf {path}"


def test_a_start_with_plain_gzip_says_how_to_compress(tmp_path):
    path = tmp_path / "people.vcf.gz"
    path.write_bytes(gzip.compress(text()))
    plain = tmp_path / "people.vcf"
    assert refused(path) == f"{path}: not bgzip; run: gunzip {path}; bgzip {plain}; tabix -p vcf {plain}.gz"
    plain.write_bytes(text())
    assert refused(plain) == f"{plain}: not bgzip; run: bgzip {plain}; tabix -p vcf {plain}.gz"


def test_a_start_with_a_broken_index_says_how_to_mend_it(tmp_path):
    path = indexed(tmp_path, "people", text())
    path.with_name("people.vcf.gz.tbi").write_bytes(b"no index")
    assert refused(path) == f"{path}: the index cannot be read; run: tabix -f -p vcf {path}"


def test_a_start_without_the_file_names_it(tmp_path):
    assert refused(tmp_path / "absent.vcf.gz") == f"{tmp_path}/absent.vcf.gz: no such file"
    assert refused(tmp_path / "*.vcf.gz") == f"no file matches {tmp_path}/*.vcf.gz"


def test_files_of_one_cohort_fit_together(tmp_path):
    first = indexed(tmp_path, "first", text())
    assert "its samples differ" in refused(first, indexed(tmp_path, "other", text("chr2", samples="a c")))
    assert "contig 1 is in" in refused(first, indexed(tmp_path, "again", text("1")))


def test_a_start_with_a_broken_header_names_the_line(tmp_path):
    path = indexed(tmp_path, "people", text(samples="a a"))
    assert refused(path) == f"{path}: Line 3: the names of the samples are not unique."


def test_limits_hold_for_cohorts_too(tmp_path):
    path = indexed(tmp_path, "people", text())
    cohort = Cohort([str(path)], replace(LIMITS, max_genotypes=10))
    with pytest.raises(VcfRefused, match="more than 10 genotypes"):
        cohort.read(GenotypeQuery("chr1", 0, 1000))
    cohort.close()
