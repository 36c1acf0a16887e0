"""The operator's gene table: where each gene begins, by name or id."""

from __future__ import annotations

import gzip
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Literal

from app.errors import ItemError, SettingsError, Unprocessable

Strand = Literal["+", "-"]
GTF_COLUMNS = 9
BED_COLUMNS = 6
GENE_FEATURES = ("gene", "transcript")
MOST_IDS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Gene:
    """One gene.

    Attributes:
        id: with its version, as the table has it.
        name: its symbol; the id where the table gives none.
        start: first base, 0-based.
        end: one past the last base, 0-based.
    """

    id: str
    name: str
    contig: str
    start: int
    end: int
    strand: Strand

    @property
    def tss(self) -> int:
        """The first transcribed base, 0-based."""
        return self.start if self.strand == "+" else self.end - 1


class GeneTable:
    """Genes by id, with or without its version, and by name.

    Args:
        genes: with unique ids.
    """

    def __init__(self, genes: Iterable[Gene]) -> None:
        self._by_text: dict[str, list[Gene]] = defaultdict(list)
        self.genes = tuple(genes)
        for gene in self.genes:
            for text in dict.fromkeys((gene.id, without_version(gene.id), gene.name)):
                self._by_text[text].append(gene)

    def find(self, text: str) -> Gene:
        """The gene of this id or name.

        Raises:
            Unprocessable: there is none, or several of this name; then their ids are listed.
        """
        found = self._by_text.get(text) or self._by_text.get(without_version(text), [])
        by_id = [gene for gene in found if without_version(gene.id) == without_version(text)]
        match by_id or found:
            case [gene]:
                return gene
            case []:
                raise _refused("The gene table has no gene of this name or id.")
            case several:
                ids = ", ".join(gene.id for gene in several[:MOST_IDS_SHOWN])
                raise _refused(f"{len(several)} genes have this name; ask for one by its id: {ids}.")


def _refused(detail: str) -> Unprocessable:
    return Unprocessable(detail, items=[ItemError("/gene", "invalid_value", detail)])


def without_version(gene_id: str) -> str:
    """An Ensembl id without its version: ENSG00000100321.16 is ENSG00000100321; other ids and names as they are."""
    stem, dot, version = gene_id.partition(".")
    number, underscore, rest = version.partition("_")
    return stem + underscore + rest if stem.startswith("ENS") and dot and number.isdigit() else gene_id


def read_genes(path: Path) -> GeneTable:
    """Read a GTF or a BED of six columns, plain or gzip; anything that is not named `.bed` is GTF.

    Raises:
        SettingsError: it cannot be read; the message names the line and what was expected.
    """
    is_bed = ".bed" in path.suffixes[-2:]
    try:
        with _open(path) as file:
            lines = _rows(file)
            genes = list(_bed_genes(lines, path) if is_bed else _gtf_genes(lines, path))
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: the gene table cannot be read ({type(error).__name__})") from None
    if not genes:
        raise SettingsError(f"{path}: the gene table has no gene")
    return GeneTable(genes)


def _open(path: Path) -> IO[str]:
    return gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8")


def _rows(file: IO[str]) -> Iterator[tuple[int, list[str]]]:
    """Number and columns of each line that is not a comment."""
    for number, line in enumerate(file, start=1):
        if line.strip() and not line.startswith(("#", "track", "browser")):
            yield number, line.rstrip("\r\n").split("\t")


def _bed_genes(rows: Iterable[tuple[int, list[str]]], path: Path) -> Iterator[Gene]:
    for number, columns in rows:
        where = f"{path}, line {number}"
        if len(columns) < BED_COLUMNS:
            raise SettingsError(f"{where}: expected contig, start, end, name, score, strand, with tabs between them")
        contig, start, end, name, _, strand = columns[:BED_COLUMNS]
        yield _gene(where, contig, (start, end), strand, name, name, first=0)


def _gtf_genes(rows: Iterable[tuple[int, list[str]]], path: Path) -> Iterator[Gene]:
    """A gene per gene line; where there is none of an id, what its transcripts span."""
    features: dict[str, dict[tuple[str, str], Gene]] = {feature: {} for feature in GENE_FEATURES}
    for number, columns in rows:
        where = f"{path}, line {number}"
        if len(columns) != GTF_COLUMNS:
            raise SettingsError(f"{where}: expected the {GTF_COLUMNS} columns of a GTF, with tabs between them")
        contig, _, feature, start, end, _, strand, _, attributes = columns
        if feature in features:
            said = _attributes(attributes)
            gene_id = said.get("gene_id") or _no_id(where)
            gene = _gene(where, contig, (start, end), strand, gene_id, said.get("gene_name") or gene_id, first=1)
            before = features[feature].get((gene_id, contig), gene)
            features[feature][gene_id, contig] = _spanning(before, gene)
    genes, transcripts = features.values()
    return iter({**transcripts, **genes}.values())


def _spanning(one: Gene, other: Gene) -> Gene:
    return replace(one, start=min(one.start, other.start), end=max(one.end, other.end))


def _attributes(text: str) -> dict[str, str]:
    """The `key "value";` pairs of a GTF's ninth column."""
    pairs = (field.strip().partition(" ") for field in text.split(";"))
    return {key: value.strip().strip('"') for key, _, value in pairs if key}


def _no_id(where: str) -> str:
    raise SettingsError(f'{where}: expected gene_id "..." among the attributes')


def _gene(where: str, contig: str, bounds: tuple[str, str], strand: str, gene_id: str, name: str, first: int) -> Gene:
    """A gene of columns as text.

    Args:
        first: the number that the table gives the first base of a contig.
    """
    if not all(bound.isdecimal() for bound in bounds):
        raise SettingsError(f"{where}: start and end are whole numbers")
    start, end = int(bounds[0]) - first, int(bounds[1])
    if not 0 <= start < end:
        raise SettingsError(f"{where}: the end is not behind the start")
    match strand:
        case "+" | "-":
            return Gene(gene_id, name, contig, start, end, strand)
    raise SettingsError(f"{where}: the strand of a gene is + or -")
