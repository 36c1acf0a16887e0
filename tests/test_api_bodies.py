"""Bodies are parsed strictly: what JSON and FASTA allow, and nothing else."""

from __future__ import annotations

import contextlib
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.bodies import parse_fasta, parse_json
from app.errors import MalformedJson, MalformedRequest, ServiceError, Unprocessable

small = st.none() | st.booleans() | st.integers(-(10**17), 10**17) | st.floats(allow_nan=False, allow_infinity=False)
characters = st.characters(exclude_categories=["Cs"])
documents = st.recursive(
    small | st.text(characters),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(characters), inner, max_size=4),
    max_leaves=20,
)
names = st.text(alphabet="abcXYZ0189_|.", min_size=1, max_size=12)
bases = st.text(alphabet="ACGTUNacgtun", min_size=1, max_size=70)


@given(documents, st.booleans())
def test_any_document_is_read_as_it_was_written(document: object, ascii_only: bool) -> None:
    assert parse_json(json.dumps(document, ensure_ascii=ascii_only).encode()) == document


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused_and_nothing_else(body: bytes) -> None:
    with contextlib.suppress(MalformedJson, Unprocessable):
        parse_json(body)
    with contextlib.suppress(MalformedRequest, Unprocessable):
        parse_fasta(body, 100)


@given(st.lists(st.tuples(names, bases), min_size=1, max_size=6), st.integers(1, 30), st.sampled_from(["\n", "\r\n"]))
def test_fasta_is_read_whatever_its_line_length(records: list[tuple[str, str]], width: int, newline: str) -> None:
    lines = []
    for name, sequence in records:
        lines += [
            f">{name} a description",
            *(sequence[start : start + width] for start in range(0, len(sequence), width)),
        ]
    parsed = parse_fasta(newline.join(lines).encode(), 100)
    assert [(record.id, record.sequence) for record in parsed] == records


@pytest.mark.parametrize("size", [1, 10])
def test_parsing_takes_time_in_proportion_to_the_body(size: int) -> None:
    # A quadratic parser would need minutes for the larger body.
    body = json.dumps({"sequences": ["ACGT" * 250] * 400 * size}).encode()
    started = time.monotonic()
    parse_json(body)
    parse_fasta(b">a\n" + b"ACGT\n" * 80_000 * size, 100)
    assert time.monotonic() - started < 2 * size


@pytest.mark.parametrize("body", [b"1e999", b"-Infinity", b"[NaN]", b"1" * 19, b'"\\udc00"'])
def test_values_nobody_can_use_are_refused_by_name(body: bytes) -> None:
    with pytest.raises(Unprocessable) as caught:
        parse_json(body)
    assert caught.value.problem_code == "invalid_value"


def test_a_whole_number_is_whole_however_it_is_written() -> None:
    assert parse_json(b"[3.0, 3e2, 2.5]") == [3, 300, 2.5]
    assert [type(number) for number in parse_json(b"[3.0, 3e2, 2.5]")] == [int, int, float]


def test_errors_of_parsing_never_repeat_the_body() -> None:
    for body in (b"CANARY", b'{"CANARY": 1, "CANARY": 2}', b'["CANARY", NaN]', b"\xffCANARY"):
        with pytest.raises(ServiceError) as caught:
            parse_json(body)
        assert "CANARY" not in str(caught.value)


def test_objects_of_many_keys_and_documents_of_many_records_are_refused_before_they_cost_anything() -> None:
    with pytest.raises(Unprocessable, match="at most 16 keys"):
        parse_json(json.dumps({str(key): 1 for key in range(17)}).encode())
    with pytest.raises(Unprocessable, match="at most 100"):
        parse_fasta(b">\n" * 101, 100)
