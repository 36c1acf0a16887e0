"""A VCF's text, read the plain way: enough for tests of what comes after reading."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from app.genome.genotypes import ABSENT, MISSING, Genotypes


def read_vcf(text: str, contig: str) -> Genotypes:
    """The records of one contig, as the service's reader hands them on."""
    lines = text.splitlines()
    header = next((line.split("\t") for line in lines if line.startswith("#CHROM")), [])
    numbered = [(number, line.split("\t")) for number, line in enumerate(lines, 1) if line and not line.startswith("#")]
    return genotypes_of(contig, tuple(header[9:]), [entry for entry in numbered if entry[1][0] == contig])


def toy(*records: str, samples: int = 1) -> Genotypes:
    """Records in short: `POS REF ALT GT…`, then `END=…`, `PS=…` (of every sample) or `FILTER=…` where it matters."""
    rows = []
    for number, record in enumerate(records, 1):
        position, reference, alternate, *rest = record.split()
        named = dict(field.split("=") for field in rest if "=" in field)
        calls = [field for field in rest if "=" not in field]
        info = f"END={named['END']}" if "END" in named else "."
        sets = [f"{call}:{named['PS']}" for call in calls] if "PS" in named else calls
        keys = "GT:PS" if "PS" in named else "GT"
        filters = named.get("FILTER", ".")
        rows.append((number, ["c", position, ".", reference, alternate, ".", filters, info, keys, *sets]))
    return genotypes_of("c", tuple(f"s{number}" for number in range(1, samples + 1)), rows)


def of_sample(genotypes: Genotypes, name: str) -> Genotypes:
    """The genotypes of one sample."""
    column = slice(genotypes.samples.index(name), genotypes.samples.index(name) + 1)
    return replace(
        genotypes,
        samples=(name,),
        alleles=genotypes.alleles[:, column],
        phased=genotypes.phased[:, column],
        phase_sets=genotypes.phase_sets[:, column],
    )


def genotypes_of(contig: str, samples: tuple[str, ...], rows: list[tuple[int, list[str]]]) -> Genotypes:
    fields = [row for _, row in rows]
    shape = (len(rows), len(samples))
    alleles = [[_alleles(cell.split(":")[0]) for cell in row[9:]] for row in fields]
    return Genotypes(
        contig=contig,
        samples=samples,
        positions=np.array([int(row[1]) for row in fields], dtype=np.int64),
        ends=np.array([_end(row) for row in fields], dtype=np.int64),
        lines=np.array([number for number, _ in rows], dtype=np.int64),
        references=tuple(row[3].encode() for row in fields),
        alternates=tuple(() if row[4] == "." else tuple(row[4].encode().split(b",")) for row in fields),
        passed=np.array([row[6] in (".", "PASS") for row in fields], dtype=np.bool_),
        alleles=np.array(alleles, dtype=np.int16).reshape(*shape, 2),
        phased=np.array([["|" in cell for cell in row[9:]] for row in fields], dtype=np.bool_).reshape(shape),
        phase_sets=np.array([[_phase_set(row[8], cell) for cell in row[9:]] for row in fields], np.int64).reshape(
            shape
        ),
    )


def _end(row: list[str]) -> int:
    end = int(row[1]) + len(row[3]) - 1
    symbolic = row[4] == "." or row[4].startswith("<")
    info = dict(re.findall(r"(END|SVLEN)=(-?\d+)", row[7])) if symbolic else {}
    if "END" in info:
        return max(end, int(info["END"]))
    return max(end, int(row[1]) + abs(int(info.get("SVLEN", 0))))


def _alleles(call: str) -> tuple[int, int]:
    numbers = [MISSING if part == "." else int(part) for part in re.split(r"[/|]", call)]
    return (numbers[0], numbers[1] if len(numbers) > 1 else ABSENT)


def _phase_set(keys: str, cell: str) -> int:
    named = dict(zip(keys.split(":"), cell.split(":"), strict=False))
    return int(named.get("PS", 0))
