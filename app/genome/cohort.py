"""Cohorts that the operator configured: bgzip VCFs with an index, read by region.

The only place where htslib meets a VCF, and only under paths from the settings.
"""

from __future__ import annotations

import glob
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pysam

from app.errors import InternalError, ServiceError, SettingsError, VcfRefused
from app.genome.contigs import resolve
from app.genome.genotypes import Genotypes
from app.genome.upload.inflate import BGZIP_FIELD, BGZIP_FIELD_AT, GZIP, text_of
from app.genome.upload.lines import lines_of
from app.genome.vcf.header import VcfHeader, read_header
from app.genome.vcf.limits import VcfLimits
from app.genome.vcf.query import GenotypeQuery
from app.genome.vcf.reading import check_assembly, choose_samples, read_records
from app.genome.vcf.record import Record, read_record

READ_BYTES = 64 * 1024
INDEX_ENDINGS = (".tbi", ".csi")
ENCODING = "latin-1"  # any bytes there and back; names were checked when the header was read


@dataclass(frozen=True, slots=True)
class CohortFile:
    """One VCF of a cohort.

    Attributes:
        contigs: those of its index.
    """

    path: Path
    index: Path
    header: VcfHeader
    contigs: tuple[str, ...]


class Cohort:
    """The people of one or several VCFs; safe to read from several threads, each with handles of its own.

    Args:
        sources: paths of VCFs; `*` in a path stands for anything, so that one pattern can name a file per chromosome.
        limits: of one answer.

    Raises:
        SettingsError: a file is missing, not bgzip, not indexed or no VCF, or the files do not fit together.
    """

    def __init__(self, sources: Sequence[str], limits: VcfLimits) -> None:
        self._limits = limits
        self._files = [_open_file(path, limits) for path in _paths(sources)]
        self._file_of = _files_by_contig(self._files)
        self._handles = threading.local()
        self._opened: list[pysam.TabixFile] = []
        self._lock = threading.Lock()

    @property
    def samples(self) -> tuple[str, ...]:
        """Everybody, in the order of the files."""
        return self._files[0].header.samples

    @property
    def contigs(self) -> tuple[str, ...]:
        """Those that have records."""
        return tuple(self._file_of)

    def read(self, query: GenotypeQuery) -> Genotypes:
        """The genotypes of a region.

        Raises:
            VcfRefused: the cohort has no such contig, or a record that cannot be read.
            Unprocessable: it lacks a sample.
            InternalError: the file cannot be read any more.
        """
        contig = resolve(query.contig, self._file_of)
        if contig is None:
            raise VcfRefused("vcf_contig", "The cohort has no record on this contig.", "/region")
        file = self._file_of[contig]
        check_assembly(file.header, query)
        columns = choose_samples(file.header.samples, query.samples)
        found = self._records(file, contig, query)
        return read_records(found, contig, query, columns, self._limits)

    def close(self) -> None:
        """Close the handles of every thread; nothing is read after that."""
        with self._lock:
            while self._opened:
                self._opened.pop().close()

    def _records(self, file: CohortFile, contig: str, query: GenotypeQuery) -> Iterator[Record]:
        try:
            start = max(query.start, 0)  # a window may reach past the contig
            for text in self._handle(file).fetch(contig, start, max(query.end, start)):
                yield read_record(text.encode(ENCODING), 0, file.header, self._limits)
        except (OSError, ValueError) as error:
            raise InternalError(f"The cohort cannot be read any more ({type(error).__name__}).") from None

    def _handle(self, file: CohortFile) -> pysam.TabixFile:
        mine = self._handles.__dict__.setdefault("by_path", {})
        if file.path not in mine:
            mine[file.path] = pysam.TabixFile(str(file.path), index=str(file.index), encoding=ENCODING)
            with self._lock:
                self._opened.append(mine[file.path])
        handle: pysam.TabixFile = mine[file.path]
        return handle


def _paths(sources: Sequence[str]) -> list[Path]:
    """The files that the sources name, each once, patterns in the order of the names."""
    paths: dict[Path, None] = {}
    for source in sources:
        found = sorted(glob.glob(source)) if glob.has_magic(source) else [source]  # noqa: PTH207 - of any root
        if not found:
            raise SettingsError(f"no file matches {source}")
        paths |= dict.fromkeys(Path(path) for path in found if not path.endswith(INDEX_ENDINGS))
    return list(paths)


def _open_file(path: Path, limits: VcfLimits) -> CohortFile:
    index = _index_of(path)
    try:
        with path.open("rb") as file:
            header = read_header(lines_of(text_of(iter(lambda: file.read(READ_BYTES), b""), limits), limits), limits)
        with pysam.TabixFile(str(path), index=str(index), encoding=ENCODING) as handle:
            return CohortFile(path, index, header, tuple(handle.contigs))
    except ServiceError as error:
        raise SettingsError(f"{path}: {error.detail}") from None
    except (OSError, ValueError):
        raise SettingsError(f"{path}: the index cannot be read; run: tabix -f -p vcf {path}") from None


def _index_of(path: Path) -> Path:
    """The index beside a bgzip VCF.

    Raises:
        SettingsError: there is none, or the file could have none.
    """
    if not path.is_file():
        raise SettingsError(f"{path}: no such file")
    with path.open("rb") as file:
        head = file.read(BGZIP_FIELD_AT + len(BGZIP_FIELD))
    if not (head.startswith(GZIP) and head.endswith(BGZIP_FIELD)):
        plain = path.with_suffix("") if path.suffix == ".gz" else path
        unpack = f"gunzip {path}; " if head.startswith(GZIP) else ""
        raise SettingsError(f"{path}: not bgzip; run: {unpack}bgzip {plain}; tabix -p vcf {plain}.gz")
    indices = [path.with_name(path.name + ending) for ending in INDEX_ENDINGS]
    index = next((index for index in indices if index.is_file()), None)
    if index is None:
        raise SettingsError(f"{path}: no index beside it; run: tabix -p vcf {path}")
    return index


def _files_by_contig(files: Sequence[CohortFile]) -> Mapping[str, CohortFile]:
    file_of: dict[str, CohortFile] = {}
    for file in files:
        if file.header.samples != files[0].header.samples:
            raise SettingsError(f"{file.path}: its samples differ from those of {files[0].path}")
        for contig in file.contigs:
            if (other := resolve(contig, file_of)) is not None:
                raise SettingsError(f"{file.path}: contig {contig} is in {file_of[other].path} too")
            file_of[contig] = file
    return file_of
