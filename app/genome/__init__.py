"""From variants and a reference to each person's own sequences: no HTTP, no models."""
