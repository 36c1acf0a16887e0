"""A usual request is read without the schema, as the schema would read it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.api.predict import Call, Query, _from_json, usual_call
from app.api.schemas import parse_predict_request
from app.errors import Unprocessable

MAX_SEQUENCES = 3

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
others = st.none() | st.booleans() | st.integers(0, 9) | st.fixed_dictionaries({"id": texts, "sequence": texts})
lists = st.lists(texts, max_size=MAX_SEQUENCES + 1) | st.lists(texts | others, max_size=MAX_SEQUENCES + 1)
almost_usual = st.fixed_dictionaries({"sequences": lists}, optional={"model": texts | others})
documents = st.fixed_dictionaries(
    {},
    optional={
        "sequences": lists | others,
        "model": texts | others,
        "priority": st.sampled_from(["interactive", "bulk", "soon"]),
        "deadline_ms": st.integers(0, 100),
        "another": texts,
    },
)
anything = st.one_of(almost_usual, documents, lists, others)
queries = st.builds(Query, st.none() | texts, st.sampled_from(["interactive", "bulk"]))


def _by_the_schema(document: object, query: Query) -> Call | None:
    try:
        return _from_json(parse_predict_request(document, MAX_SEQUENCES), query)
    except Unprocessable:
        return None


@given(anything, queries)
def test_what_is_not_refused_or_left_to_the_schema_is_what_the_schema_reads(document: object, query: Query) -> None:
    call = usual_call(document, MAX_SEQUENCES, query)
    assert call is None or call == _by_the_schema(document, query)


usual = st.fixed_dictionaries(
    {"sequences": st.lists(texts, min_size=1, max_size=MAX_SEQUENCES)}, optional={"model": st.none() | texts}
)


@given(usual, queries)
def test_bare_sequences_need_no_schema(document: object, query: Query) -> None:
    call = usual_call(document, MAX_SEQUENCES, query)
    assert call is not None
    assert call == _by_the_schema(document, query)
