"""The effects of single variants: what a model says of a window with each of them, and without.

question    which variants, and which alleles of a VCF are none to score
plan        each variant in its window, distinct sequences once (a window's reference too)
effects     the plan's values, and what they say of each variant
"""
