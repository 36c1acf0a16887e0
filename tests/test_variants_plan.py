"""What is predicted for variants: the sequences of a list are those of each variant alone, every distinct one once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.bundle import Manifest, read_manifest
from app.genome.intervals import Interval, Window
from app.genome.variants import Variant
from app.genomes import Genomes, open_genomes
from app.predictor import RequestLimits
from app.variants.plan import Plan, plan_variants
from app.variants.question import question_of_list
from tests.people import write_window_bundle

CONTIG = "ACGTTGCAACCGGTTATGCCATAGGCATTACGGACCTTAAGC"


@pytest.fixture(scope="module")
def genomes(tmp_path_factory: pytest.TempPathFactory) -> Genomes:
    fasta = tmp_path_factory.mktemp("reference") / "reference.fa"
    fasta.write_text(f">c\n{CONTIG}\n")
    return open_genomes(fasta)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return read_manifest(write_window_bundle(tmp_path_factory.mktemp("models")))


@st.composite
def variants(draw: st.DrawFn) -> Variant:
    at = draw(st.integers(0, len(CONTIG) - 1))
    reference = CONTIG[at : at + draw(st.integers(1, 5))]
    return Variant("c", at + 1, reference, draw(st.text("ACGT", min_size=1, max_size=5)))


def planned(genomes: Genomes, manifest: Manifest, asked: list[Variant], window: Window | None) -> Plan:
    return plan_variants(genomes, manifest, question_of_list(asked), window, RequestLimits())


def spelled(plan: Plan) -> list[tuple[str, str]]:
    return [(plan.sequences[each.reference], plan.sequences[each.alternate]) for each in plan.variants]


@given(
    asked=st.lists(variants(), max_size=12),
    window=st.none()
    | st.builds(lambda start: Window(Interval("c", start, start + 10), start + 4), st.integers(-5, 40)),
)
def test_a_list_is_planned_as_each_of_its_variants_alone(
    genomes: Genomes, manifest: Manifest, asked: list[Variant], window: Window | None
) -> None:
    together = planned(genomes, manifest, asked, window)
    alone = [planned(genomes, manifest, [variant], window) for variant in asked]
    assert spelled(together) == [pair for plan in alone for pair in spelled(plan)]
    assert len(together.skipped) == sum(len(plan.skipped) for plan in alone)
    assert len(set(together.sequences)) == len(together.sequences) == len(together.pointers)
    assert {len(sequence) for sequence in together.sequences} <= {10}
