"""Masked-language-model pre-training of DNABERT-2's architecture on a genome.

FASTA → segments of known bases → BPE vocabulary → tokens of both strands → steps → a folder in DNABERT-2's own format.
"""
