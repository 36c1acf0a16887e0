"""A body whose frame is known means what it means to who reads it whole."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.bodies import parse_json
from app.api.express.bodies import MOST_FRAMES, KnownBodies, Question
from app.api.predict import NO_QUERY, usual_call
from app.errors import ServiceError

MAX_SEQUENCES = 4


def _read_whole(body: bytes) -> Question | type[ServiceError] | None:
    try:
        call = usual_call(parse_json(body), MAX_SEQUENCES, NO_QUERY)
    except ServiceError as error:
        return type(error)
    return call and Question(call.model, call.sequences)


def _read(bodies: KnownBodies, body: bytes) -> Question | type[ServiceError] | None:
    try:
        return bodies.read(body)
    except ServiceError as error:
        return type(error)


def _frames(bodies: KnownBodies) -> int:
    return len(bodies._models)


FRAGMENTS = ['"sequences"', '"model"', '{"sequences":["', '"]}', '{"sequences": ["', '"], "model": "gc"}', "null"]
SIGNS = [
    "[",
    "]",
    "{",
    "}",
    '"',
    '["',
    '"]',
    '","',
    '", "',
    "\\",
    "\\u0041",
    ":",
    ",",
    " ",
    "\n",
    "ACGT",
    "x",
    "é",
    "1",
]
pieces = st.sampled_from([*SIGNS, *FRAGMENTS])
scraps = st.lists(pieces, max_size=12).map("".join)
letters = st.text("ACGTNacgu", min_size=1, max_size=5)
spaces = st.sampled_from([(",", ":"), (", ", ": "), (" , ", ":"), (",\n", ": ")])
models = st.none() | st.sampled_from(["gc", 'a["b', "c]", "Zürich", "%s", '"]'])


@st.composite
def usual(draw: st.DrawFn) -> bytes:
    """A body of bare sequences, as one client or another writes it."""
    document: dict[str, object] = {
        "sequences": draw(st.lists(letters | scraps, min_size=1, max_size=MAX_SEQUENCES + 1))
    }
    if draw(st.booleans()):
        document["model"] = draw(models)
    if draw(st.booleans()):
        document = dict(reversed(document.items()))
    return json.dumps(document, separators=draw(spaces), ensure_ascii=draw(st.booleans())).encode()


@st.composite
def broken(draw: st.DrawFn) -> bytes:
    """The same with something put in or taken out somewhere."""
    body = draw(usual()).decode()
    start, end = sorted((draw(st.integers(0, len(body))), draw(st.integers(0, len(body)))))
    return (body[:start] + draw(scraps) + body[end:]).encode()


@given(st.lists(usual() | broken() | scraps.map(str.encode), max_size=8))
def test_whatever_was_read_before_each_body_is_read_as_if_it_were_the_first(bodies: list[bytes]) -> None:
    known = KnownBodies(MAX_SEQUENCES)
    for body in [*bodies, *bodies]:
        assert _read(known, body) == _read_whole(body)


@given(usual(), st.lists(letters | scraps, min_size=1, max_size=MAX_SEQUENCES + 1), st.sampled_from(['","', '", "']))
def test_a_known_frame_with_anything_in_it_is_read_as_if_it_were_unknown(
    body: bytes, sequences: list[str], between: str
) -> None:
    known = KnownBodies(MAX_SEQUENCES)
    _read(known, body)
    before, after = body.find(b'["') + 2, body.rfind(b'"]')
    another = body[:before] + between.join(sequences).encode() + body[after:]
    assert _read(known, another) == _read_whole(another)


@pytest.mark.parametrize(
    ("first", "second", "question"),
    [
        (b'{"sequences":["AC"]}', b'{"sequences":["GGT"]}', Question(None, ["GGT"])),
        (b'{"sequences": ["AC"]}', b'{"sequences": ["GGT", "a"]}', Question(None, ["GGT", "a"])),
        (b'{"model":"gc","sequences":["A"]}', b'{"model":"gc","sequences":["A","C"]}', Question("gc", ["A", "C"])),
        (b'{"sequences":["A"],"model":"gc"}', b'{"sequences":["T"],"model":"gc"}', Question("gc", ["T"])),
    ],
)
def test_a_frame_is_learned_from_the_first_that_has_it(first: bytes, second: bytes, question: Question) -> None:
    bodies = KnownBodies(MAX_SEQUENCES)
    bodies.read(first)
    assert _frames(bodies) == 1
    assert bodies.read(second) == question
    assert _frames(bodies) == 1


def test_models_are_told_apart() -> None:
    bodies = KnownBodies(MAX_SEQUENCES)
    asked = [bodies.read(b'{"model":"%b","sequences":["A"]}' % name) for name in (b"a", b"b", b"a", b"b")]
    assert [each and each.model for each in asked] == ["a", "b", "a", "b"]


def test_a_known_frame_with_too_many_sequences_is_left_to_who_refuses_it() -> None:
    bodies = KnownBodies(2)
    assert bodies.read(b'{"sequences":["A","C"]}') == Question(None, ["A", "C"])
    assert bodies.read(b'{"sequences":["A","C","G"]}') is None


@pytest.mark.parametrize(
    "body",
    [
        b'{"sequences":["A-T"]}',
        b'{"sequences":[]}',
        b'{"sequences":[""]}',
        b'{"sequences":["A"],"model":"%b"}' % (300 * b"m"),
    ],
    ids=["no letters", "none", "empty", "a long frame"],
)
def test_what_is_no_frame_is_not_kept(body: bytes) -> None:
    bodies = KnownBodies(MAX_SEQUENCES)
    bodies.read(body)
    assert _frames(bodies) == 0


def test_frames_that_callers_make_up_take_no_room() -> None:
    bodies = KnownBodies(MAX_SEQUENCES)
    for number in range(10 * MOST_FRAMES):
        bodies.read(b'{"model":"%d","sequences":["A"]}' % number)
        assert _frames(bodies) <= MOST_FRAMES
