"""Answers as pictures, for the command line; matplotlib (extra `plot`) is imported when one is drawn."""
