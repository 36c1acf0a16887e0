"""Genotypes cross a pipe unchanged, and nothing else passes for them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import DecompressedTooLarge, ItemError, Unprocessable, UnsupportedMediaType, VcfRefused, problem
from app.genome.genotypes import Genotypes
from app.genome.upload.transfer import (
    GENOTYPES,
    HEAD,
    REFUSAL,
    SIZES,
    MessageBroken,
    genotypes_message,
    read_genotypes,
    read_refusal,
    refusal_message,
)
from tests.genome.vcfs import FIRST_KILOBASE, assert_equal_genotypes, read, sites, vcf

PHASED = vcf("chr1 5 . AC A,<DEL> . q . GT:PS 0|1:5 2", "chr1 5 . g . . . . GT . ./.")
EXAMPLES = [PHASED, vcf("chr1 5 . A C . . . GT 0|1 1|1"), vcf(), sites("chr1 5 . A C . . ."), sites()]


def payload(genotypes: Genotypes) -> bytes:
    message = b"".join(genotypes_message(genotypes))
    kind, length = HEAD.unpack_from(message)
    assert (kind, length) == (GENOTYPES, len(message) - HEAD.size)
    return message[HEAD.size :]


@pytest.mark.parametrize("text", EXAMPLES)
def test_genotypes_arrive_as_they_were(text):
    sent = read(text)
    assert_equal_genotypes(read_genotypes(payload(sent), FIRST_KILOBASE), sent)


@pytest.mark.parametrize(
    "error",
    [
        VcfRefused("vcf_position", "Line 4: POS …"),
        VcfRefused("vcf_contig", "no such contig", "/region"),
        Unprocessable("two", items=[ItemError("/samples/0", "vcf_samples", "a"), ItemError("/samples/1", "x", "b")]),
        UnsupportedMediaType("The file is BCF."),
        DecompressedTooLarge("too large"),
    ],
)
def test_refusals_arrive_as_they_were(error):
    message = refusal_message(error)
    kind, length = HEAD.unpack_from(message)
    assert (kind, length) == (REFUSAL, len(message) - HEAD.size)
    received = read_refusal(message[HEAD.size :])
    assert type(received) is type(error)
    assert problem(received, "x") == problem(error, "x")


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"\xff",
        b"[]",
        b"3",
        json.dumps(["SystemExit", "x", []]).encode(),
        json.dumps(["VcfRefused", "x", []]).encode(),
        json.dumps(["Unprocessable", "x", [["/a"]]]).encode(),
    ],
)
def test_other_refusals_are_not_believed(said):
    with pytest.raises(MessageBroken):
        read_refusal(said)


@given(st.data())
def test_genotypes_that_are_cut_or_altered_never_contradict_themselves(data):
    whole = bytearray(payload(read(PHASED)))
    del whole[data.draw(st.integers(0, len(whole))) :]
    for _ in range(data.draw(st.integers(0, 3)) if whole else 0):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        received = read_genotypes(bytes(whole), FIRST_KILOBASE)
    except MessageBroken:
        return
    assert received.alleles.shape == (len(received.references), len(received.samples), 2)
    assert received.alleles.max(initial=0) <= max(map(len, received.alternates), default=0)


def test_sizes_beyond_the_message_are_not_allocated():
    with pytest.raises(MessageBroken):
        read_genotypes(SIZES.pack(2**40, 2**20, 0, 0), FIRST_KILOBASE)
    with pytest.raises(MessageBroken):
        read_genotypes(SIZES.pack(0, 2**62, 0, 0), FIRST_KILOBASE)


@pytest.mark.parametrize(
    "query",
    [
        replace(FIRST_KILOBASE, contig="chr2"),
        replace(FIRST_KILOBASE, start=500),
        replace(FIRST_KILOBASE, samples=("a",)),
        replace(FIRST_KILOBASE, samples=("a", "b", "c")),
    ],
)
def test_an_answer_to_another_question_is_not_believed(query):
    with pytest.raises(MessageBroken):
        read_genotypes(payload(read(PHASED)), query)
