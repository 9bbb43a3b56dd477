"""Rego policies and their tests, shipped as package data.

Read them with `importlib.resources.files("maestro_policy")`, which works the same from a wheel and from an
editable install.
"""
