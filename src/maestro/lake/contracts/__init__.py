"""Contracts: schemas of tables and topics, and whether a new one may follow an old one.

``check(new, old, mode)`` judges Avro, JSON Schema and Arrow or Parquet schemas; ``load_contract(data)`` reads one and
gives its columns as Arrow has them.
"""

from maestro.lake.contracts.check import check
from maestro.lake.contracts.contract import Contract, Format, load_contract
from maestro.lake.contracts.verdict import Mode, Verdict, Violation

__all__ = ["Contract", "Format", "Mode", "Verdict", "Violation", "check", "load_contract"]
