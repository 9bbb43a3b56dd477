"""``maestro contracts register``: make a schema the newest version of a subject, if the subject's mode lets it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from maestro.kernel.errors import BadInputError, ConflictError
from maestro_sidecar.cli import answers
from maestro_sidecar.cli.contracts_registries import add_registry, local_registry, remote_registry
from maestro_sidecar.cli.inputs import read_input
from maestro_sidecar.cli.parsing import Parser, add_json

if TYPE_CHECKING:
    from maestro.lake.contracts.registry.changes import SchemaText

__all__ = ["add_to"]

_DESCRIPTION = """\
Register a schema under a subject. A schema that the newest version has already changes nothing. Exit 0:
registered, or there already; 3: refused, because it breaks the subject's compatibility mode.
"""
_EXAMPLE = """\
  echo '{"type": "record", "name": "Order", "fields": []}' > order.avsc
  maestro contracts register order.avsc --subject orders-value --owner shop --store contracts.db"""
_MOST_BYTES = 1024 * 1024


def add_to(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "register",
        help="make a schema a subject's newest version",
        description=_DESCRIPTION,
        example=_EXAMPLE,
    )
    parser.add_argument("schema", metavar="SCHEMA", help="the schema: a file, or - for stdin")
    parser.add_argument("--subject", required=True, metavar="NAME", help="under which it is registered")
    parser.add_argument(
        "--format", choices=("avro", "json-schema"), help="of the schema; found out when left out"
    )
    parser.add_argument("--owner", metavar="NAME", help="who answers for it; kept in its metadata")
    parser.add_argument(
        "--by", metavar="NAME", help="who registers it, for the change log; this user when left out"
    )
    parser.add_argument("--normalize", action="store_true", help="keep it in the one canonical spelling")
    add_registry(parser)
    add_json(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    text = _text(arguments)
    try:
        document = _registered(arguments, text)
    except ConflictError as error:
        if error.code != "schema_incompatible":
            raise
        if arguments.json:
            answers.tell_document({"registered": False, "reason": error.code, "message": error.message})
        else:
            answers.tell(f"REFUSED: {error.message}\n  Fix: {error.remedy}")
        return answers.NO
    if arguments.json:
        answers.tell_document({"registered": True, **document})
    else:
        answers.tell(
            f"Registered under {document['subject']}: version {document['version']}, id {document['id']}."
        )
    return answers.DONE


def _text(arguments: argparse.Namespace) -> SchemaText:
    from maestro.lake.contracts import Format, load_contract
    from maestro.lake.contracts.registry.changes import SchemaText

    data = read_input(arguments.schema, "SCHEMA", _MOST_BYTES)
    hint = "avro" if arguments.schema.endswith(".avsc") else None
    format_ = load_contract(data, arguments.format or hint).format
    if format_ is Format.ARROW:
        raise BadInputError(
            "is an Arrow schema, which the field's registry has no type for.",
            field="SCHEMA",
            value=arguments.schema,
            remedy="Register Avro or JSON Schema; keep Arrow schemas in files, judged by contracts check.",
        )
    metadata = {"properties": {"owner": arguments.owner}} if arguments.owner else None
    kind = "AVRO" if format_ is Format.AVRO else "JSON"
    return SchemaText(data.decode(), kind, metadata=metadata)


def _registered(arguments: argparse.Namespace, text: SchemaText) -> dict[str, Any]:
    if arguments.registry:
        client = remote_registry(arguments)
        told = client.register(arguments.subject, text, normalize=arguments.normalize)
        version = told.get("version") or client.versions(arguments.subject)[-1]
        return {"subject": arguments.subject, "version": version, "id": told["id"]}
    with local_registry(arguments) as registry:
        by = arguments.by or _user()
        chosen = registry.do(
            lambda it: it.register(arguments.subject, text, normalize=arguments.normalize), by=by
        )
        held = registry.ask(lambda it: it.state.holders(chosen))
        version = next(each.number for each in reversed(held) if each.subject == arguments.subject)
        return {"subject": arguments.subject, "version": version, "id": chosen}


def _user() -> str:
    from getpass import getuser

    try:
        return getuser()
    except (KeyError, OSError):  # a container's user without a name
        return "unknown"
