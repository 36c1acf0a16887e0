"""A VCF that a caller sends: inflated, split and parsed within limits, away from the process that answers."""
