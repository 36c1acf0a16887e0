"""Dashboards, and what makes them."""
