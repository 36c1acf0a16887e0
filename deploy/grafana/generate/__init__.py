"""Writes the dashboards: one module for each, over the few kinds of panels that they need."""
