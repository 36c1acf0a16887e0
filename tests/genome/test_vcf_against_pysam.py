"""The parser reads what htslib reads, generated and real files alike; damage never does worse than a refusal."""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterator
from pathlib import Path

import pysam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import ServiceError
from app.genome.genotypes import ABSENT, MISSING, Genotypes
from app.genome.vcf.query import GenotypeQuery
from tests.genome.vcfs import read, refusal, vcf

WHOLE_CONTIG = 2**31 - 1
REAL = [
    "whatshap-phased/phased.vcf",
    "geuvadis-chr22-personal/region_343_unphased.hg38.vcf.gz",
    "kipoiseq/test.vcf.gz",
    "kipoiseq/test_with_multiple_variants.vcf.gz",
    "tangermeme/test.vcf",
    *(f"bcftools-consensus/consensus{name}.vcf" for name in (*"23456", "", ".9", ".10", ".11", ".13", ".14")),
    *(f"bcftools-consensus/consensus.{name}.vcf" for name in ("15", "18", "19", "20", "21", "22", "beyond")),
    "bcftools-consensus/consensus.gvcf-missing.1.vcf",
    "bcftools-consensus/consensus.overlaps.1.vcf",
]
REFUSED = [
    ("whatshap-phased/polyploid.chr22.phased.vcf", "chr22", "vcf_ploidy"),
    ("whatshap-phased/polyploid.chr22.unphased.vcf", "chr22", "vcf_ploidy"),
    ("bcftools-consensus/consensus7.vcf", "1", "vcf_ploidy"),
    ("bcftools-consensus/consensus.16.vcf", "2", "vcf_ploidy"),
    ("bcftools-consensus/consensus8.vcf", "2", "vcf_genotype"),  # 0/1 where ALT is a dot
    ("bcftools-consensus/consensus.12.vcf", "2", "vcf_genotype"),
]
Call = tuple[tuple[int, int], bool, int]


def calls_by_htslib(record: pysam.VariantRecord) -> list[Call]:
    """Alleles, phase and phase set of each sample, as the parser codes them."""
    calls = []
    for sample in record.samples.values():
        alleles = [MISSING if index is None else index for index in sample.allele_indices or (None,)]
        first, second = alleles if len(alleles) == 2 else (*alleles, ABSENT)
        phased = sample.phased or second == ABSENT  # htslib says so of all lone alleles but a lone dot
        calls.append(((first, second), phased, sample.get("PS") or 0))
    return calls


def assert_same(genotypes: Genotypes, records: list[pysam.VariantRecord]) -> None:
    assert genotypes.positions.tolist() == [record.pos for record in records]
    assert [reference.decode() for reference in genotypes.references] == [record.ref for record in records]
    alternates = [tuple(allele.decode() for allele in alleles) for alleles in genotypes.alternates]
    assert alternates == [record.alts or () for record in records]
    assert genotypes.passed.tolist() == [set(record.filter.keys()) <= {"PASS"} for record in records]
    for row, record in enumerate(records):
        arrays = zip(genotypes.alleles[row].tolist(), genotypes.phased[row], genotypes.phase_sets[row], strict=True)
        assert [(tuple(alleles), bool(phased), int(ps)) for alleles, phased, ps in arrays] == calls_by_htslib(record)


def by_contig(text: bytes, folder: Path) -> Iterator[tuple[str, list[pysam.VariantRecord]]]:
    """What htslib reads of a VCF that is not compressed."""
    path = folder / "read-by-htslib.vcf"
    path.write_bytes(text)
    before = pysam.set_verbosity(0)
    with pysam.VariantFile(str(path)) as file:
        records = list(file)
        for contig in dict.fromkeys(record.contig for record in records):
            yield contig, [record for record in records if record.contig == contig]
    pysam.set_verbosity(before)


@pytest.mark.parametrize("name", REAL)
def test_real_files_are_read_as_htslib_reads_them(data_folder, tmp_path, name):
    content = (data_folder / name).read_bytes()
    text = gzip.decompress(content) if name.endswith(".gz") else content
    for contig, records in by_contig(text, tmp_path):
        assert_same(read(content, GenotypeQuery(contig, 0, WHOLE_CONTIG)), records)


@pytest.mark.parametrize(("name", "contig", "code"), REFUSED)
def test_real_files_beyond_the_rules_are_refused_where_genotypes_are_asked_for(data_folder, name, contig, code):
    content = (data_folder / name).read_bytes()
    assert refusal(content, GenotypeQuery(contig, 0, WHOLE_CONTIG))[0] == code
    assert len(read(content, GenotypeQuery(contig, 0, WHOLE_CONTIG, samples=())).positions)


BASES = st.text("ACGT", min_size=1, max_size=4)
ALTERNATES = st.lists(st.one_of(BASES, st.sampled_from(["*", "<DEL>", "A]chr1:9]", "acg"])), min_size=1, max_size=3)
SEPARATORS = st.sampled_from("|/")


@st.composite
def calls(draw: st.DrawFn, alternates: int) -> str:
    allele = st.one_of(st.just("."), st.integers(0, alternates).map(str))
    ploidy = draw(st.sampled_from([1, 2, 2, 2]))
    return draw(SEPARATORS).join(draw(allele) for _ in range(ploidy))


@st.composite
def records(draw: st.DrawFn, samples: int) -> list[str]:
    positions = sorted(draw(st.lists(st.integers(1, 900), max_size=6)))
    lines = []
    for position in positions:
        alternates = draw(ALTERNATES)
        rest = draw(st.sampled_from(["GT", "GT:DP", "GT:PS"]))
        value = {"GT": "", "GT:DP": ":7", "GT:PS": f":{position}"}[rest]
        genotypes = " ".join(draw(calls(len(alternates))) + value for _ in range(samples))
        filters = draw(st.sampled_from(["PASS", ".", "q10"]))
        lines.append(f"chr1 {position} . {draw(BASES)} {','.join(alternates)} 9 {filters} END=950 {rest} {genotypes}")
    return lines


HEADER = """##contig=<ID=chr1,length=1000>
##FILTER=<ID=q10,Description="x">
##INFO=<ID=END,Number=1,Type=Integer,Description="x">
##FORMAT=<ID=GT,Number=1,Type=String,Description="x">
##FORMAT=<ID=DP,Number=1,Type=Integer,Description="x">
##FORMAT=<ID=PS,Number=1,Type=Integer,Description="x">"""


@settings(max_examples=60)
@given(st.data(), st.integers(1, 4))
def test_generated_files_are_read_as_htslib_reads_them(tmp_path_factory, data, samples):
    text = vcf(*data.draw(records(samples)), samples=" ".join(f"s{index}" for index in range(samples)), header=HEADER)
    found = dict(by_contig(text, tmp_path_factory.mktemp("generated")))
    assert_same(read(text), found.get("chr1", []))


def good_vcf() -> bytes:
    return vcf(
        "chr1 5 rs1 A C,G 9 PASS AF=0.5 GT:DP:PS 0|1:7:5 2/1:9:.",
        "chr1 9 . ACGT A . . . GT 0|1 1",
        "chr1 20 . A <DEL> . q10 SVTYPE=DEL;END=40 GT ./. .|1",
        "chr1 44 . T * . . . GT 0/0 /1|0",
        header=HEADER,
    )


def mutated(text: bytes, random: random.Random) -> bytes:
    """A few bytes changed, removed, doubled or moved."""
    altered = bytearray(text)
    for _ in range(random.randint(1, 4)):
        at, length = random.randrange(len(altered)), random.randint(1, 9)
        piece = bytes(altered[at : at + length])
        match random.randrange(5):
            case 0:
                altered[at] = random.randrange(256)
            case 1:
                altered[at] = random.choice(b"\t\n\r:|/.,<>0129-*\0")
            case 2:
                del altered[at : at + length]
            case 3:
                altered[at:at] = piece * random.randint(1, 50)
            case _:
                altered[random.randrange(len(altered)) :] = piece
    return bytes(altered)


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_damaged_files_are_read_or_refused_and_nothing_else(compress):
    seen: dict[int, int] = {}
    for seed in range(500):
        source = random.Random(seed)
        text = compress(mutated(good_vcf(), source))
        damaged = mutated(text, source) if seed % 2 and compress is gzip.compress else text
        try:
            genotypes = read(damaged)
            status = 200
            assert genotypes.alleles.shape == (len(genotypes.positions), len(genotypes.samples), 2)
        except ServiceError as error:
            status = error.status
        seen[status] = seen.get(status, 0) + 1
    assert seen.keys() <= {200, 413, 415, 422}
    assert min(seen[200], seen[422]) > 20
