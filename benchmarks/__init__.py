"""Figures, each with its peer or its floor in the same run: ``make bench``, or ``python -m benchmarks NAME``."""
