"""Header fields are read once, and what comes twice is one list."""

from app.api.fields import header_fields


def test_fields_are_found_by_their_name():
    fields = header_fields([(b"accept", b"text/csv"), (b"content-length", b"12")])
    assert fields == {"accept": "text/csv", "content-length": "12"}


def test_what_comes_several_times_is_one_list():
    given = [(b"accept", b"text/csv"), (b"host", b"here"), (b"accept", b"*/*;q=0.1"), (b"accept", b"text/html")]
    assert header_fields(given)["accept"] == "text/csv, */*;q=0.1, text/html"


def test_bytes_beyond_ascii_are_one_character_each():
    assert header_fields([(b"x-request-id", b"caf\xc3\xa9")]) == {"x-request-id": "caf\u00c3\u00a9"}
