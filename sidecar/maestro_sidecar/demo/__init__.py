"""The demo: five tenants with different limits, hundreds of real processes, one SQLite file, no server.

``tenants`` says who may run what, ``arrivals`` when runs come (made up, or from a trace), ``dispatcher`` starts them as
a scheduler would, ``demo`` puts these together, ``report`` tells how it went. Every figure is measured.
"""
