"""Rego policies and their tests, shipped as package data.

`rego_sources` reads the policies; all files are found by `importlib.resources.files("maestro_policy")`, which works
the same from a wheel and from an editable install.
"""

from importlib.resources import files

__all__ = ["rego_sources"]


def rego_sources() -> dict[str, str]:
    """The policies by file name, tests left out: what a policy server has to be given."""
    folder = files("maestro_policy") / "rego"
    return {
        file.name: file.read_text(encoding="utf-8")
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
        if file.name.endswith(".rego") and not file.name.endswith("_test.rego")
    }
