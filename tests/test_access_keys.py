"""A key opens what it was made for until it expires, and nothing that is not a key opens anything."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.access.keys import ALPHABET, KEY, ApiKey, Keys, _base62, crowded_clients, new_key

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
SHA256 = hashlib.sha256(b"something else").hexdigest()


def key(**fields: object) -> ApiKey:
    return ApiKey.model_validate({"id": "abcd1234", "client": "lab", "sha256": SHA256, "scopes": ["predict"]} | fields)


def test_a_new_key_has_the_form_of_the_contract_and_never_comes_twice() -> None:
    text, key_id, sha256 = new_key()
    form = KEY.fullmatch(text)
    assert form
    assert form[1] == key_id
    assert sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert len({new_key()[0] for _ in range(100)}) == 100


@given(st.binary(min_size=32, max_size=32))
def test_a_secret_keeps_all_of_its_256_bits(secret: bytes) -> None:
    letters = _base62(secret)
    number = sum(ALPHABET.index(letter) * 62**place for place, letter in enumerate(letters))
    assert (len(letters), number.to_bytes(32)) == (43, secret)


def test_a_known_key_is_found_and_one_with_another_secret_is_not() -> None:
    text, key_id, sha256 = new_key()
    keys = Keys([key(id=key_id, sha256=sha256), key()])
    found = keys.find(text, NOW)
    assert found
    assert found.id == key_id
    other = "0" if text[-1] != "0" else "1"
    assert keys.find(text[:-1] + other, NOW) is None
    assert keys.find(text.replace(key_id, "abcd1234"), NOW) is None


@given(st.text(max_size=80) | st.from_regex(KEY, fullmatch=True))
def test_whatever_else_is_sent_opens_nothing(text: str) -> None:
    assert Keys([key()]).find(text, NOW) is None


def test_every_answer_costs_one_comparison_of_digests_whatever_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    text, key_id, sha256 = new_key()
    keys = Keys([key(id=key_id, sha256=sha256), key()])
    unlike = "0" if text[-1] != "0" else "1"
    known = {"right": text, "wrong secret": text[:-1] + unlike, "another's id": text.replace(key_id, "abcd1234")}
    asked = known | {"unknown id": new_key()[0], "no key": "", "not of the form": "bc_" + "x" * 5000}
    compared = []
    real = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda *pair: compared.append(tuple(map(len, pair))) or real(*pair))
    opened = [name for name, sent in asked.items() if keys.find(sent, NOW)]
    assert opened == ["right"]
    assert compared == [(32, 32)] * len(asked)


def test_a_key_opens_until_it_expires() -> None:
    text, key_id, sha256 = new_key()
    keys = Keys([key(id=key_id, sha256=sha256, expires=NOW)])
    assert keys.find(text, NOW - timedelta(seconds=1))
    assert keys.find(text, NOW) is None


def test_a_client_has_two_live_keys_at_most() -> None:
    live = [key(id=f"abcd123{digit}") for digit in range(3)]
    old = key(id="abcd1239", expires=NOW)
    assert crowded_clients([*live[:2], old, key(id="zzzzzzzz", client="other")], NOW) == []
    assert crowded_clients(live, NOW) == ["lab"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"scopes": []},
        {"scopes": ["admin"]},
        {"sha256": "abc"},
        {"id": "../etc"},
        {"client": "line\nbreak"},
        {"client": ""},
        {"expires": "2027-01-01T00:00:00"},
        {"requests_per_minute": 0},
        {"secret": "x"},
    ],
    ids=str,
)
def test_a_key_without_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        key(**wrong)
