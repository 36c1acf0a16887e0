"""A user's table as text, column by column, with the place in the file of every row for what may be wrong with it."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from training.datasets.files import opened
from training.errors import DataError

SEPARATORS = {".csv": ",", ".tsv": "\t", ".txt": "\t"}
ENDINGS = ".csv, .tsv, .txt (tabs), each also with .gz or .xz, or .parquet"
BASES = frozenset("ACGTN")
NOT_MEASURED = frozenset({"", "na", "n/a", "nan", "null", "none"})
LARGEST_NUMBER = float(np.finfo(np.float32).max)
BYTE_ORDER_MARK = "\ufeff"


@dataclass(frozen=True)
class Sheet:
    """A file's cells.

    Attributes:
        columns: name to its cells, without surrounding blanks.
        places: where each row is, such as `line 7`; a header is line 1.
    """

    path: Path
    columns: dict[str, list[str]]
    places: list[str]

    def __len__(self) -> int:
        return len(self.places)

    def column(self, name: str) -> list[str]:
        """The cells of a column.

        Raises:
            DataError: there is no such column, or a cell is empty.
        """
        cells = self.possible(name)
        if "" in cells:
            raise self.refused(cells.index(""), name, "is empty")
        return cells

    def possible(self, name: str) -> list[str]:
        """The cells of a column, which may be empty.

        Raises:
            DataError: there is no such column.
        """
        if name not in self.columns:
            raise DataError(f"{self.path.name}: no column {name}; there are {', '.join(self.columns)}")
        return self.columns[name]

    def refused(self, row: int, column: str, problem: str) -> DataError:
        """What is wrong with a cell."""
        return DataError(f"{self.path.name}, {self.places[row]}: {column} {problem}")

    def ids(self, name: str) -> list[str]:
        """A column in which no two cells are the same.

        Raises:
            DataError: two are.
        """
        row_of: dict[str, int] = {}
        for row, cell in enumerate(self.column(name)):
            if cell in row_of:
                raise self.refused(row, name, f"{cell} is also in {self.places[row_of[cell]]}")
            row_of[cell] = row
        return list(row_of)

    def sequences(self, name: str) -> list[str]:
        """A column of bases, in upper case and with U read as T.

        Raises:
            DataError: a letter is none of A, C, G, T, U and N.
        """
        sequences = [cell.upper().replace("U", "T") for cell in self.column(name)]
        for row, sequence in enumerate(sequences):
            if not BASES.issuperset(sequence):
                position = next(index for index, base in enumerate(sequence, start=1) if base not in BASES)
                raise self.refused(row, name, f"has a letter that is none of A, C, G, T, U and N at base {position:,}")
        return sequences

    def numbers(self, name: str) -> npt.NDArray[np.float64]:
        """(rows,) a column of numbers, NaN for what was not measured: an empty cell, NA, NaN, null or none.

        Raises:
            DataError: a cell is something else.
        """
        return np.array([self._number(row, name, cell) for row, cell in enumerate(self.possible(name))])

    def _number(self, row: int, name: str, cell: str) -> float:
        if cell.lower() in NOT_MEASURED:
            return math.nan
        try:
            number = float(cell)
        except ValueError:
            number = math.inf
        if not abs(number) <= LARGEST_NUMBER:
            raise self.refused(row, name, "is no finite number, or too large for single precision")
        return number


def read_sheet(path: Path) -> Sheet:
    """Read a user's table: the first row names the columns.

    Args:
        path: CSV, TSV or Parquet, by its ending.

    Raises:
        DataError: there is no such file, no row in it, or it is not what its ending says.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    sheet = _read_parquet(path) if path.suffix == ".parquet" else _read_delimited(path)
    if not len(sheet):
        raise DataError(f"{path.name}: no rows")
    return sheet


def _read_delimited(path: Path) -> Sheet:
    inner = Path(path.stem).suffix if path.suffix in {".gz", ".xz"} else path.suffix
    if inner not in SEPARATORS:
        raise DataError(f"{path.name}: unknown ending; tables end in {ENDINGS}")
    try:
        with opened(path) as text:
            lines = _lines(text, SEPARATORS[inner])
            header = next(lines, (1, []))[1]
            rows = list(lines)
    except (csv.Error, UnicodeDecodeError, OSError, EOFError) as error:
        raise DataError(f"{path.name}: cannot be read: {error}") from None
    _check(path, header, rows)
    cells = zip(*(row for _, row in rows), strict=True) if rows else ([] for _ in header)
    columns = {name: list(column) for name, column in zip(header, cells, strict=True)}
    return Sheet(path, columns, [f"line {line}" for line, _ in rows])


def _lines(text: Iterable[str], separator: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(text, delimiter=separator, strict=True)
    for cells in reader:
        if cells:
            yield reader.line_num, [cell.removeprefix(BYTE_ORDER_MARK).strip() for cell in cells]


def _check(path: Path, header: list[str], rows: list[tuple[int, list[str]]]) -> None:
    if twice := sorted({name for name in header if header.count(name) > 1}):
        raise DataError(f"{path.name}: two columns are called {twice[0]}")
    for line, cells in rows:
        if len(cells) != len(header):
            raise DataError(f"{path.name}, line {line}: {len(cells)} cells, but {len(header)} columns")


def _read_parquet(path: Path) -> Sheet:
    try:
        import pyarrow as pa  # noqa: PLC0415 - an optional extra
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ImportError:
        raise DataError(f"{path.name}: Parquet needs pyarrow: pip install 'basecast[parquet]'") from None
    try:
        columns = pq.read_table(path).to_pydict()
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path.name}: cannot be read: {error}") from None
    rows = len(next(iter(columns.values()), []))
    texts = {name: ["" if cell is None else str(cell).strip() for cell in cells] for name, cells in columns.items()}
    return Sheet(path, texts, [f"row {row}" for row in range(1, rows + 1)])
