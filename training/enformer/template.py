"""A card to fill in for an Enformer."""

from __future__ import annotations

from training.enformer.importing import PublishedEnformer

PUBLISHED_WINDOW_BINS = 1536
PUBLISHED_TRACKS = {"human": 5313}
GM12878_CAGE = 5110
"""One row of the published list of human tracks: CAGE of the B-lymphoblastoid cell line GM12878."""


def enformer_template(found: PublishedEnformer) -> str:
    """A card in TOML, filled in as far as the model's files say, with an example everywhere else."""
    tracks = found.shape.tracks
    organism = "human" if "human" in tracks else next(iter(tracks))
    is_published = tracks[organism] == PUBLISHED_TRACKS.get(organism)
    return _CARD.format(
        bases=PUBLISHED_WINDOW_BINS * found.shape.bin_bases,
        organism=organism,
        last=tracks[organism] - 1,
        track=GM12878_CAGE if is_published else 0,
        bin_bases=found.shape.bin_bases,
    )


_CARD = """\
[bundle]
name = "enformer"              # folder in models/ and name on the wire
version = "1.0.0"
title = "Enformer"
summary = "Predicts ... from the sequence around a gene's start."
task = "expression"
organism = "Homo sapiens"
assembly = "GRCh38"
licence = "CC-BY-4.0"          # of the weights: see where they come from
citation = "Avsec et al. 2021, Nature Methods 18:1196."
intended_use = "Research: a comparator for models of expression."
limits = "Predicts differences between people poorly, often with the wrong sign."
min_bases = {bases}             # windows of one length, a multiple of {bin_bases} bases
max_bases = {bases}
ambiguous = "iupac"            # letters beside A, C, G, T and U: refused | n | iupac, read as no base at all
golden_sequences = ["ACGTTGCAAGGCTATACCGATTGACCTAGGTTACGCATCAAGTCCTTAGGCATTCGAACTG"]   # repeated to fill the window

[readout]
organism = "{organism}"
bins = 3                       # averaged around the window's middle, odd
gamma_peak = "feature"         # of DeepMind's weights; distance if trained by enformer-pytorch without use_tf_gamma

[[targets]]
name = "expression"
unit = "log2 count"
scale = "log2"                 # linear | log2 | log10 | ln, of the mean of tracks and bins and the pseudocount
pseudocount = 1.0
higher_means = "more expressed"
description = "What the tracks measure."
tracks = [{track}]               # rows of the list of tracks, 0 to {last}
standard_deviation = 1.0       # how far the answers for genes spread; tolerances are counted in it
"""
