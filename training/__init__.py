"""Basecast, the offline half: train a model, measure it, write a bundle."""
