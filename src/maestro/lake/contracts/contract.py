"""A contract: a schema that was read, whatever its format, with its fingerprint and its columns as Arrow has them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import attrs

from maestro.formats.strict_json import loads
from maestro.kernel.errors import BadInputError, UntrustedError
from maestro.lake.contracts import odcs
from maestro.lake.contracts.arrow.compare import compare as compare_arrow
from maestro.lake.contracts.arrow.documents import dump_schema, is_arrow_document, is_arrow_file, parse_schema
from maestro.lake.contracts.arrow.model import ArrowSchema
from maestro.lake.contracts.avro import columns as avro_columns
from maestro.lake.contracts.avro.canonical import canonical_form
from maestro.lake.contracts.avro.parse import PRIMITIVES, parse_avro
from maestro.lake.contracts.avro.resolve import compare as compare_avro
from maestro.lake.contracts.findings import Finding
from maestro.lake.contracts.json_schema import columns as json_columns
from maestro.lake.contracts.json_schema.compare import compare as compare_json
from maestro.lake.contracts.json_schema.document import Document, canonical
from maestro.lake.contracts.limits import SCHEMA_DEPTH, SCHEMA_LIMIT

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Contract", "Format", "load_contract"]


class Format(StrEnum):
    """The formats of schemas that contracts are written in."""

    AVRO = "avro"
    JSON_SCHEMA = "json-schema"
    ARROW = "arrow"


_COMPARE: dict[Format, Callable[[Any, Any], Iterator[Finding]]] = {
    Format.AVRO: compare_avro,
    Format.JSON_SCHEMA: compare_json,
    Format.ARROW: compare_arrow,
}
_CANONICAL: dict[Format, Callable[[Any], str]] = {
    Format.AVRO: canonical_form,
    Format.JSON_SCHEMA: lambda document: canonical(document.raw),
    Format.ARROW: lambda schema: canonical(dump_schema(schema)),
}
_COLUMNS: dict[Format, Callable[[Any], ArrowSchema]] = {
    Format.AVRO: avro_columns.columns_of,
    Format.JSON_SCHEMA: json_columns.columns_of,
    Format.ARROW: lambda schema: schema,
}


@attrs.frozen(slots=False, eq=False)
class Contract:
    """A schema that was read and found whole.

    Attributes:
        format: what it is written in.
        schema: the parsed schema; its type depends on the format.
    """

    format: Format
    schema: Any

    @cached_property
    def canonical(self) -> str:
        """The text that all spellings of the same schema share: Avro's parsing canonical form, or JSON with sorted keys."""
        return _CANONICAL[self.format](self.schema)

    @cached_property
    def fingerprint(self) -> str:
        """``sha256:`` and the hexadecimal digest of the canonical text."""
        return f"sha256:{sha256(self.canonical.encode()).hexdigest()}"

    @cached_property
    def columns(self) -> ArrowSchema:
        """The columns of a table under this contract.

        Raises:
            BadInputError: ``not_tabular``, the schema describes something that no table can hold.
        """
        try:
            return _COLUMNS[self.format](self.schema)
        except RecursionError as error:
            raise _too_deep() from error

    def arrow_schema(self) -> pa.Schema:
        """The columns as a pyarrow schema, so that a batch can be judged.

        Raises:
            BadInputError: ``not_tabular``, the schema describes something that no table can hold.
            ImportError: pyarrow is not installed.
        """
        from maestro.lake.contracts.arrow.bridge import to_pyarrow

        return to_pyarrow(self.columns)

    def reads(self, writer: Contract) -> Iterator[Finding]:
        """What a reader with this schema meets in data written with the other, breaking or not.

        Raises:
            BadInputError: ``format_differs``, or the schemas are too complex to be compared.
        """
        if self.format is not writer.format:
            raise BadInputError(
                f"is {self.format}, and the other schema is {writer.format}.",
                field="format",
                code="format_differs",
                remedy="Compare schemas of one format; another format is another subject.",
            )
        return _COMPARE[self.format](self.schema, writer.schema)


def load_contract(
    data: bytes,
    format: Format | str | None = None,  # noqa: A002 - the field's word
    references: Mapping[str, bytes] | None = None,
) -> Contract:
    """Read a schema.

    Args:
        data: the text of a schema; a Parquet or Arrow file, whose schema is taken; or an Open Data Contract Standard
            document with one table, whose columns are.
        format: what it is written in; found out when None.
        references: texts of schemas that this one refers to, by the name it uses for them, each after those it uses.

    Raises:
        BadInputError: not a schema of that format; names the field, its value and the remedy.
        ImportError: a file or document of a kind whose reader (pyarrow, PyYAML) is not installed.
    """
    wanted = _format(format)
    if is_arrow_file(data):
        return Contract(_as(Format.ARROW, wanted), parse_schema(data))
    raw = read_document(data)
    if odcs.is_data_contract(raw):
        return Contract(_as(Format.ARROW, wanted), odcs.read_data_contract(raw).table())
    others = {name: read_document(text) for name, text in (references or {}).items()}
    return _contract(wanted or _guessed(raw), raw, others)


def _contract(format_: Format, raw: Any, others: Mapping[str, Any]) -> Contract:
    try:
        if format_ is Format.AVRO:
            return Contract(format_, parse_avro(raw, others.values()))
        if format_ is Format.JSON_SCHEMA:
            return Contract(format_, Document(raw, others))
        return Contract(format_, parse_schema(raw))
    except RecursionError as error:
        raise _too_deep() from error


def _too_deep() -> BadInputError:
    return BadInputError(
        "The schema nests too deeply.", code="schema_too_complex", remedy="Split it into several."
    )


def read_document(data: bytes) -> Any:
    """Parsed JSON, or YAML where the text is no JSON and begins like a data contract.

    Raises:
        BadInputError: neither.
        ImportError: YAML, and PyYAML is not installed.
    """
    head = data[:65536].strip()
    if head[:1] not in b'{["' and (b"kind:" in head or b"apiVersion:" in head):
        return _yaml(data)
    if head.decode("latin-1") in PRIMITIVES:  # they may stand there without quotes
        return head.decode()
    return loads(data, limit=SCHEMA_LIMIT, depth=SCHEMA_DEPTH)


def _yaml(data: bytes) -> Any:
    from maestro.formats.opa_yaml import parse_yaml

    try:
        return parse_yaml(data, "data contract", json.loads)
    except UntrustedError as error:
        raise BadInputError(error.message, code="bad_yaml", remedy="Correct it.") from error


def _format(format_: Format | str | None) -> Format | None:
    try:
        return None if format_ is None else Format(format_)
    except ValueError as error:
        raise BadInputError(
            "is no format of schemas.",
            field="format",
            value=format_,
            code="bad_field",
            remedy=f"Use one of {', '.join(Format)}.",
        ) from error


def _as(found: Format, wanted: Format | None) -> Format:
    if wanted not in (None, found):
        raise BadInputError(
            f"is {found}, not {wanted}.", field="format", code="format_differs", remedy=f"Ask for {found}."
        )
    return found


def _guessed(raw: Any) -> Format:
    """Records, enumerations, unions and bare names are Avro's; a list of fields is Arrow's; the rest is JSON Schema."""
    if isinstance(raw, list | str) or (
        isinstance(raw, dict) and raw.get("type") in {"record", "enum", "fixed", "error"}
    ):
        return Format.AVRO
    return Format.ARROW if is_arrow_document(raw) else Format.JSON_SCHEMA
