"""Hypothesis strategies, one module a room of `maestro`; they need the extra ``[testing]``."""
