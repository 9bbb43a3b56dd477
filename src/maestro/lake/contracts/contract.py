"""A contract: a schema that was read, whatever its format, with its fingerprint and its columns as Arrow has them."""

from __future__ import annotations

import json
from enum import StrEnum
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import attrs

from maestro.kernel.errors import BadInputError
from maestro.lake.contracts.arrow.documents import dump_schema, parse_schema
from maestro.lake.contracts.arrow.model import ArrowSchema

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Contract", "Format", "load_contract"]


class Format(StrEnum):
    """The formats of schemas that contracts are written in."""

    AVRO = "avro"
    JSON_SCHEMA = "json-schema"
    ARROW = "arrow"


@attrs.frozen(slots=False)
class Contract:
    """A schema that was read and found whole.

    Attributes:
        format: what it is written in.
        schema: the parsed schema; its type depends on the format.
    """

    format: Format
    schema: ArrowSchema

    @cached_property
    def canonical(self) -> str:
        """The text that all spellings of the same schema share."""
        return _canonical_json(dump_schema(self.schema))

    @cached_property
    def fingerprint(self) -> str:
        """``sha256:`` and the hexadecimal digest of the canonical text."""
        return f"sha256:{sha256(self.canonical.encode()).hexdigest()}"

    @property
    def columns(self) -> ArrowSchema:
        """The columns of a table under this contract."""
        return self.schema

    def arrow_schema(self) -> pa.Schema:
        """The columns as a pyarrow schema, so that a batch can be judged.

        Raises:
            ImportError: pyarrow is not installed.
        """
        from maestro.lake.contracts.arrow.bridge import to_pyarrow

        return to_pyarrow(self.columns)


def load_contract(data: bytes, format: Format | str | None = None) -> Contract:  # noqa: A002 - the field's word
    """Read a schema.

    Args:
        data: the text of a schema, or a Parquet or Arrow file whose schema is taken.
        format: what it is written in; found out when None.

    Raises:
        BadInputError: not a schema of that format; names the field, its value and the remedy.
        ImportError: a Parquet or Arrow file, and pyarrow is not installed.
    """
    if format not in (None, Format.ARROW):
        raise BadInputError("is not read yet.", field="format", value=format, remedy="Use arrow.")
    return Contract(Format.ARROW, parse_schema(data))


def _canonical_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
