"""Formats that OPA has from Go's standard library, to the letter: ``fmt`` verbs, time layouts, URLs, JSON text.

Pure functions on Python's own types; they know nothing of Rego. Each names the Go package whose rules it follows.
"""
