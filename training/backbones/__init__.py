"""Backbones: what a model reads becomes one state per position.

Each is a module whose `forward` takes the graph's inputs (app.engine feeds the same ones) and returns `states`
(batch, positions, width) and `mask` (batch, positions), 1.0 where a position is real and 0.0 where it is padding. Its
`layers` are what it applies one after the other, from its input up.
"""
