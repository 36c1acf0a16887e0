"""Enformer as a bundle: chosen tracks around a gene's start, as one value for each target."""
