"""Basecast, the service: bundles in, predictions out."""

__version__ = "0.1.0"
