"""GEUVADIS and the eQTL Catalogue's test data become people: genotypes, genes and expression of the same persons."""

from pathlib import Path

import numpy as np
import pytest

from tests.training.people.conftest import PEOPLE, tsv, write_gzip
from training.datasets.eqtl_catalogue import read_eqtl_catalogue
from training.datasets.geuvadis import by_rank, read_geuvadis
from training.datasets.people import Gene, People, Variant, load_people
from training.errors import DataError


def test_people_are_matched_by_name(toy_people: Path, dosages: np.ndarray, expression: np.ndarray) -> None:
    people = read_geuvadis(toy_people / "toy")
    assert people.ids == PEOPLE
    assert people.genes[0] == Gene("ENSG01", "APPLE", "chr22", 2000, "-")
    assert [gene.id for gene in people.genes] == ["ENSG01", "ENSG02", "ENSG03"]  # ENSG99 has no start
    assert people.variants[1] == Variant("chr22", 2000, "A", "G")
    np.testing.assert_array_equal(people.dosages, dosages)
    np.testing.assert_allclose(people.expression, expression, rtol=1e-6)


def test_rpkm_become_ranks_of_a_normal_distribution() -> None:
    # Of four values the ranks lie at 1/8, 3/8, 5/8 and 7/8; equal ones share theirs.
    assert by_rank(np.array([[9.0, 0.0, 100.0, 10.0]]))[0] == pytest.approx(
        [-0.3186, -1.1503, 1.1503, 0.3186], abs=1e-4
    )
    assert by_rank(np.array([[1.0, 1.0]]))[0].tolist() == [0, 0]


def test_rpkm_of_geuvadis_are_read(toy_people: Path) -> None:
    people = read_geuvadis(toy_people / "toy", "rpkm")
    assert people.unit.endswith("RPKM by rank")
    assert people.expression.mean(axis=0) == pytest.approx([0, 0, 0], abs=1e-6)


def test_variants_near_a_gene_are_those_up_to_the_limit(toy_people: Path) -> None:
    people = read_geuvadis(toy_people / "toy")
    assert people.near(people.genes[0], 1000).tolist() == [0, 1, 2]
    assert people.near(people.genes[0], 999).tolist() == [1]


def test_a_genotype_of_other_alleles_is_refused(toy_people: Path, tmp_path: Path) -> None:
    for file in (toy_people / "toy").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    header = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", "P00"]
    record = ["chr22", 7, ".", "A", "G,T", ".", "PASS", ".", "GT", "0/2"]
    write_gzip(tmp_path / "region_343_unphased.hg38.vcf.gz", tsv([header, record]))
    with pytest.raises(DataError, match="a genotype at position 7 is not of two alleles"):
        read_geuvadis(tmp_path)


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"lacks region_343_unphased.hg38.vcf.gz, region_genes.tsv"):
        read_geuvadis(tmp_path)
    with pytest.raises(DataError, match=r"lacks GEUVADIS_cqn.tsv.gz"):
        read_eqtl_catalogue(tmp_path)


def test_the_eqtl_catalogues_runs_are_people(tmp_path: Path) -> None:
    write_gzip(
        tmp_path / "LCL.dose.tsv.gz", tsv([["CHROM", "POS", "REF", "ALT", "NA1", "NA2"], [7, 5, "A", "AT", 0, 2]])
    )
    write_gzip(tmp_path / "GEUVADIS_cqn.tsv.gz", tsv([["phenotype_id", "ERR2", "ERR1"], ["ENSG1", 2.5, 1.5]]))
    metadata = [["gene_id", "chromosome", "phenotype_pos", "strand"], ["ENSG1", 7, 9, -1]]
    write_gzip(tmp_path / "GEUVADIS_phenotype_metadata.tsv.gz", tsv(metadata))
    runs = [["sample_id", "genotype_id"], ["ERR1", "NA1"], ["ERR2", "NA2"]]
    write_gzip(tmp_path / "GEUVADIS_sample_metadata.tsv.gz", tsv(runs))
    people = read_eqtl_catalogue(tmp_path)
    assert (people.ids, people.variants) == (("NA1", "NA2"), (Variant("chr7", 5, "A", "AT"),))
    assert people.genes == (Gene("ENSG1", "", "chr7", 9, "-"),)
    assert (people.dosages.tolist(), people.expression.tolist()) == ([[0], [2]], [[1.5], [2.5]])


@pytest.mark.parametrize(("folder", "shape"), [("geuvadis", (343, 54, 1321)), ("eqtl", (89, 80, 39_691))])
def test_the_real_data_sets_are_read_whole(data_folder: Path, folder: str, shape: tuple[int, ...]) -> None:
    people = (
        read_geuvadis(data_folder / "geuvadis-chr22-personal")
        if folder == "geuvadis"
        else read_eqtl_catalogue(data_folder / "eqtl-catalogue-geuvadis-mini")
    )
    assert (len(people.ids), len(people.genes), len(people.variants)) == shape
    assert not np.isnan(people.dosages).any()


def test_saved_people_are_the_same_people(toy_people: Path, tmp_path: Path) -> None:
    people = read_geuvadis(toy_people / "toy")
    people.save(tmp_path / "people.npz")
    again = load_people(tmp_path / "people.npz")
    assert again.sha256() == people.sha256()
    assert again.genes == people.genes
    with pytest.raises(DataError, match="run `python -m training prepare` first"):
        load_people(tmp_path / "nowhere.npz")


@pytest.mark.parametrize(
    ("ids", "expression", "message"),
    [
        (("a", "a"), [[1.0], [2.0]], "two people have the same id"),
        (("a", "b"), [[1.0], [np.nan]], "was not measured in everybody"),
        (("a", "b"), [[1.0]], "a row for each person and a column for each gene"),
        (("a",), [[1.0]], "a row for each person and a column for each variant"),
    ],
)
def test_parts_that_do_not_fit_are_refused(ids: tuple[str, ...], expression: list[list[float]], message: str) -> None:
    gene, variant = Gene("ENSG1", "", "chr1", 1, "+"), Variant("chr1", 1, "A", "C")
    with pytest.raises(DataError, match=message):
        People(ids, (variant,), np.zeros((2, 1), np.float32), (gene,), np.array(expression, np.float32), "1")
