"""Adapters: one module an infrastructure, each an implementation of a port of ``maestro.ports``.

The code of all adapters is always here; third-party drivers are imported when an adapter is constructed.
"""
