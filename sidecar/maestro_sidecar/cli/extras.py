"""Commands whose third-party drivers may be missing say which extra brings them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from maestro.kernel.errors import BadInputError

__all__ = ["needs_extra"]

_OURS = {"maestro", "maestro_adapters", "maestro_policy", "maestro_sidecar"}


@contextmanager
def needs_extra(extra: str, command: str) -> Iterator[None]:
    """Around the imports of a command: a missing driver becomes bad input that names the extra.

    Raises:
        BadInputError: ``missing_extra``. A module of ours that is missing is a defect and raised as it is.
    """
    try:
        yield
    except ImportError as error:
        module = (error.name or "").partition(".")[0]
        if module in _OURS:
            raise
        raise BadInputError(
            f"needs {module or 'a module'}, which is not installed.",
            field=command,
            remedy=f"Run: pip install 'maestro-conductor[{extra}]'",
            code="missing_extra",
        ) from error
