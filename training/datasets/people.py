"""The one shape of a data set of people: what each carries at some variants, and how much some genes are expressed.

Dosages are twice the share of a person's alleles that are the alternate one: 0, 1 or 2; NaN where it was not called.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from training.datasets.table import Floats
from training.errors import DataError


@dataclass(frozen=True)
class Variant:
    """One pair of alleles at one place; `position` is 1-based."""

    contig: str
    position: int
    reference: str
    alternate: str


@dataclass(frozen=True)
class Gene:
    """A gene whose expression was measured.

    Attributes:
        id: Ensembl's, without a version.
        symbol: empty where the data set does not know it.
        start: 1-based position of its transcription start.
        strand: `+` or `-`.
    """

    id: str
    symbol: str
    contig: str
    start: int
    strand: str


@dataclass(frozen=True, eq=False)
class People:
    """A data set of people.

    Attributes:
        ids: of the people.
        variants: in the order of the columns of `dosages`.
        dosages: (people, variants) float32.
        genes: in the order of the columns of `expression`.
        expression: (people, genes) float32, all measured.
        unit: of the expression.
    """

    ids: tuple[str, ...]
    variants: tuple[Variant, ...]
    dosages: Floats
    genes: tuple[Gene, ...]
    expression: Floats
    unit: str

    def __post_init__(self) -> None:
        if self.dosages.shape != (len(self.ids), len(self.variants)):
            raise DataError("dosages must have a row for each person and a column for each variant")
        if self.expression.shape != (len(self.ids), len(self.genes)):
            raise DataError("expression must have a row for each person and a column for each gene")
        for what, names in (("people", self.ids), ("genes", [gene.id for gene in self.genes])):
            if len(set(names)) < len(names):
                raise DataError(f"two {what} have the same id")
        if not np.isfinite(self.expression).all():
            raise DataError("the expression of a gene was not measured in everybody; leave the gene or the person out")

    def near(self, gene: Gene, cis_bases: int) -> npt.NDArray[np.int64]:
        """Indices of the variants at most so many bases from a gene's start."""
        return np.flatnonzero(
            [
                variant.contig == gene.contig and abs(variant.position - gene.start) <= cis_bases
                for variant in self.variants
            ]
        )

    def sha256(self) -> str:
        """Digest of everything in the data set; equal ones have equal digests on every machine."""
        digest = hashlib.sha256(self._words().encode())
        for array in (self.dosages, self.expression):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def save(self, path: Path) -> None:
        """Write as one compressed NumPy archive."""
        buffer = io.BytesIO()
        words = np.frombuffer(self._words().encode(), dtype=np.uint8)
        np.savez_compressed(buffer, allow_pickle=False, words=words, dosages=self.dosages, expression=self.expression)
        path.write_bytes(buffer.getvalue())

    def _words(self) -> str:
        words: dict[str, Any] = {"ids": self.ids, "unit": self.unit}
        words |= {"variants": [asdict(variant) for variant in self.variants]}
        return json.dumps(words | {"genes": [asdict(gene) for gene in self.genes]})


def load_people(path: Path) -> People:
    """Read what `People.save` wrote.

    Raises:
        DataError: there is no such file.
    """
    if not path.is_file():
        raise DataError(f"{path} is missing: run `python -m training prepare` first")
    with np.load(path, allow_pickle=False) as archive:
        arrays = dict(archive)
    words = json.loads(arrays["words"].tobytes())
    return People(
        ids=tuple(words["ids"]),
        variants=tuple(Variant(**fields) for fields in words["variants"]),
        dosages=arrays["dosages"],
        genes=tuple(Gene(**fields) for fields in words["genes"]),
        expression=arrays["expression"],
        unit=words["unit"],
    )


def matched_columns(wanted: Sequence[str], found: Sequence[str], where: str) -> list[int]:
    """Where each wanted name stands among those that a file has.

    Raises:
        DataError: the file lacks one.
    """
    place = {name: index for index, name in enumerate(found)}
    if missing := [name for name in wanted if name not in place]:
        raise DataError(f"{where} has no column {missing[0]}, nor {len(missing) - 1} more that are needed")
    return [place[name] for name in wanted]
