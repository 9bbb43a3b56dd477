"""The table that a follower writes to, by the flag ``cdc_lakehouse``: Delta, or a folder that changes land in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maestro.ports.lake import LakeTable, TableSpec

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["contract_columns", "open_table", "stored"]


def open_table(
    address: str, spec: TableSpec, columns: pa.Schema | None, *, lakehouse: bool = True
) -> LakeTable:
    """Open the table, which its first batch makes. Raises BadInputError, PortError."""
    if not lakehouse:
        from maestro_adapters.landing import ParquetLanding

        return ParquetLanding(address, spec)
    from maestro_adapters.delta import DeltaLake

    return DeltaLake(address, spec, columns=columns)


def stored(address: str) -> tuple[TableSpec | None, pa.Schema | None]:
    """What was declared of a table that exists, and its columns; None and None when there is none yet.

    Raises:
        BadInputError: it is a table that Maestro did not make.
    """
    from maestro_adapters.delta import DeltaLake, declared

    spec = declared(address)
    if spec is None:
        return None, None
    table = DeltaLake(address, spec)
    try:
        return spec, table.schema()
    finally:
        table.close()


def contract_columns(path: str | None) -> pa.Schema | None:
    """The columns of a contract's file; None without one.

    Raises:
        BadInputError: the file cannot be read or is no contract.
    """
    if path is None:
        return None
    from maestro.lake.contracts import load_contract
    from maestro_sidecar.cli.inputs import read_input

    return load_contract(read_input(path, "--contract", 4 * 1024 * 1024)).arrow_schema()
