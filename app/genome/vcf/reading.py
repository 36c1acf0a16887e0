"""From the lines of a VCF to the genotypes of one region.

Every line's columns, position and alleles are checked; genotypes are read where the region and the samples asked for
need them. The records of the region's contig are in order of position, else the file is refused; several at one
position keep the order of the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from app.errors import ItemError, Unprocessable, VcfRefused
from app.genome.contigs import aliases
from app.genome.genotypes import Genotypes
from app.genome.vcf.calls import Calls, Ints, read_calls
from app.genome.vcf.header import VcfHeader, read_header
from app.genome.vcf.limits import VcfLimits
from app.genome.vcf.query import GenotypeQuery
from app.genome.vcf.record import Record, read_record
from app.genome.vcf.refusals import at_line

BATCH_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, eq=False)
class SampleColumns:
    """Whose genotypes are read.

    Attributes:
        names: in the order of the file.
        total: sample columns of the file.
        chosen: indices of the wanted ones, None for all.
    """

    names: tuple[str, ...]
    total: int
    chosen: Ints | None


def read_vcf(lines: Iterable[bytes], query: GenotypeQuery, limits: VcfLimits) -> Genotypes:
    """The genotypes of a region from a whole VCF.

    Args:
        lines: of the file, without line ends.

    Raises:
        VcfRefused: it is no VCF, breaks a limit, or lacks the contig.
        Unprocessable: it lacks a sample that is asked for.
    """
    remaining = iter(lines)
    header = read_header(remaining, limits)
    check_assembly(header, query)
    columns = choose_samples(header.samples, query.samples)
    seen: set[str] = set()
    records = _of_contig(numbered_records(remaining, header, limits), query, seen)
    genotypes = read_records(records, query.contig, query, columns, limits)
    return replace(genotypes, contig=_contig_in_file(header, seen, query))


def read_records(
    records: Iterable[Record], contig: str, query: GenotypeQuery, columns: SampleColumns, limits: VcfLimits
) -> Genotypes:
    """The genotypes of those records of one contig that overlap the region.

    Args:
        records: in order of position.
        contig: its name in the file.

    Raises:
        VcfRefused: a genotype cannot be read, or there are more than the limit.
    """
    kept: list[Record] = []
    calls: list[Calls] = []
    for batch in _batches(record for record in records if query.overlaps(record.position, record.end)):
        kept += [record._replace(calls=b"") for record in batch]
        if len(kept) * len(columns.names) > limits.max_genotypes:
            raise _too_many_genotypes(limits)
        calls.append(_calls(batch, columns))
    return _assembled(kept, calls, contig, columns)


def numbered_records(lines: Iterable[bytes], header: VcfHeader, limits: VcfLimits) -> Iterator[Record]:
    """Every record of a file, the header having been read; empty lines may stand at its end, and nowhere else.

    Raises:
        VcfRefused: a line breaks the format, or there are more than the limit.
    """
    blank = 0
    last = header.lines + limits.max_vcf_records
    for number, text in enumerate(lines, start=header.lines + 1):
        if not text:
            blank = blank or number
            continue
        if blank:
            raise at_line("vcf_columns", blank, "an empty line between records.")
        if number > last:
            raise at_line("vcf_too_many", number, f"a VCF has at most {limits.max_vcf_records} records; send a part.")
        yield read_record(text, number, header, limits)


def choose_samples(present: Sequence[str], wanted: Sequence[str] | None) -> SampleColumns:
    """Find the columns of the samples that are asked for.

    Raises:
        Unprocessable: the file does not have one of them, or one is asked for twice.
    """
    if wanted is None:
        return SampleColumns(tuple(present), len(present), None)
    column_of = {name: column for column, name in enumerate(present)}
    if faults := [_unknown_sample(index) for index, name in enumerate(wanted) if name not in column_of]:
        raise Unprocessable(faults[0].detail, items=faults)
    if len(set(wanted)) < len(wanted):
        detail = "A sample is asked for more than once."
        raise Unprocessable(detail, items=[ItemError("/samples", "invalid_value", detail)])
    chosen = np.array(sorted(column_of[name] for name in wanted), dtype=np.int64)
    return SampleColumns(tuple(present[column] for column in chosen), len(present), chosen)


def check_assembly(header: VcfHeader, query: GenotypeQuery) -> None:
    """Refuse a VCF whose contig has another length than the reference's.

    Raises:
        VcfRefused: so it is.
    """
    lengths = [header.contigs.get(name) for name in aliases(query.contig)]
    if query.contig_bases is not None and any(length not in (None, query.contig_bases) for length in lengths):
        detail = "The header gives this contig another length than the reference has: they are of two assemblies."
        raise VcfRefused("vcf_assembly", detail)


def _unknown_sample(index: int) -> ItemError:
    return ItemError(f"/samples/{index}", "vcf_samples", "The VCF has no sample of this name.")


def _too_many_genotypes(limits: VcfLimits) -> VcfRefused:
    detail = f"The region holds more than {limits.max_genotypes} genotypes; ask for fewer samples or a shorter region."
    return VcfRefused("vcf_too_many", detail)


def _of_contig(records: Iterable[Record], query: GenotypeQuery, seen: set[str]) -> Iterator[Record]:
    """The records of the region's contig, in order; `seen` gets its name in the file."""
    names = {name.encode(): name for name in aliases(query.contig)}
    position = 0
    for record in records:
        if record.contig not in names:
            continue
        seen.add(names[record.contig])
        if record.position < position:
            raise at_line("vcf_unsorted", record.line, "the position is before that of an earlier line; sort the VCF.")
        position = record.position
        yield record


def _contig_in_file(header: VcfHeader, seen: set[str], query: GenotypeQuery) -> str:
    """How the file names the contig.

    Raises:
        VcfRefused: it does not have it, so that an answer would only look like the reference; or has it by two names.
    """
    names = [name for name in aliases(query.contig) if name in seen]
    if len(names) > 1:
        raise VcfRefused("vcf_contig", "The VCF has records of this contig under two names, such as chr1 and 1.")
    names += [name for name in aliases(query.contig) if name in header.contigs]
    if not names:
        raise VcfRefused("vcf_contig", "The VCF has neither a ##contig line nor a record for the region's contig.")
    return names[0]


def _batches(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Records that share a FORMAT, as many as numpy reads well at once."""
    batch: list[Record] = []
    held_bytes = 0
    for record in records:
        if batch and (record.format != batch[0].format or held_bytes > BATCH_BYTES):
            yield batch
            batch, held_bytes = [], 0
        batch.append(record)
        held_bytes += len(record.calls)
    if batch:
        yield batch


def _calls(batch: Sequence[Record], columns: SampleColumns) -> Calls:
    if columns.names:
        return read_calls(batch, columns.total, columns.chosen)
    return _no_calls(len(batch), 0)


def _no_calls(records: int, samples: int) -> Calls:
    return Calls(np.empty((records, samples, 2), np.int16), np.empty((records, samples), np.bool_), None)


def _assembled(kept: Sequence[Record], calls: Sequence[Calls], contig: str, columns: SampleColumns) -> Genotypes:
    samples = len(columns.names)
    parts = calls or [_no_calls(0, samples)]
    return Genotypes(
        contig=contig,
        samples=columns.names,
        positions=np.array([record.position for record in kept], dtype=np.int64),
        ends=np.array([record.end for record in kept], dtype=np.int64),
        lines=np.array([record.line for record in kept], dtype=np.int64),
        references=tuple(record.reference for record in kept),
        alternates=tuple(record.alternates for record in kept),
        passed=np.array([record.passed for record in kept], dtype=np.bool_),
        alleles=np.concatenate([part.alleles for part in parts]),
        phased=np.concatenate([part.phased for part in parts]),
        phase_sets=_phase_sets(parts, samples),
    )


def _phase_sets(parts: Sequence[Calls], samples: int) -> Ints:
    if all(part.phase_sets is None for part in parts):
        return no_phase_sets(sum(len(part.phased) for part in parts), samples)
    return np.concatenate(
        [no_phase_sets(len(part.phased), samples) if part.phase_sets is None else part.phase_sets for part in parts]
    )


def no_phase_sets(records: int, samples: int) -> Ints:
    """(records, samples) zeros that take no memory; read only."""
    return np.broadcast_to(np.int64(0), (records, samples))
