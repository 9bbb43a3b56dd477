"""The lake: changes of rows become a table that analysts read.

``changes`` is the form in which changes come, ``sifting`` sets aside what cannot be applied, ``dedupe`` settles which
change of a key counts, ``routing`` decides what is merged now and what waits in the side log, ``applying`` works out
new rows from old ones, ``query`` writes the SQL that reads a table, ``verifying`` compares it with its source. All
pure: bytes, clocks and commits are the adapters'. Arrow is imported when first used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

    from maestro.ports.lake import LakeTable

__all__ = ["read"]


def read(table: LakeTable, columns: Sequence[str] | None = None) -> pa.Table:
    """Live rows: the latest of each key, what waits in the side log included, without our columns.

    Args:
        table: any engine's.
        columns: those wanted, or None for all.

    Raises:
        BadInputError: there is no table yet.
        PortError: the storage failed.
    """
    return table.read(columns)
