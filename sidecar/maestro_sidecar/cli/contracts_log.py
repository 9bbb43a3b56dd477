"""``maestro contracts log``: who changed which contract when, and what changed."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from maestro_sidecar.cli import answers
from maestro_sidecar.cli.contracts_registries import add_registry, local_registry
from maestro_sidecar.cli.parsing import Parser, add_json

if TYPE_CHECKING:
    from maestro.runtime.contracts import LoggedChange

__all__ = ["add_to"]

_DESCRIPTION = "Show the change log of the registry, or of one subject: the newest last."
_EXAMPLE = """\
  echo '"string"' > name.avsc
  maestro contracts register name.avsc --format avro --subject names-value --store contracts.db
  maestro contracts log names-value --store contracts.db"""


def add_to(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "log", help="show who changed what", description=_DESCRIPTION, example=_EXAMPLE
    )
    parser.add_argument("subject", metavar="SUBJECT", nargs="?", help="of this subject alone")
    add_registry(parser, remote=False)
    add_json(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    with local_registry(arguments) as registry:
        entries = [_entry(each) for each in registry.log(arguments.subject)]
        owners = registry.ask(lambda it: {name: it.owner(name) for name in it.state.subjects(deleted=True)})
    if arguments.json:
        answers.tell_document({"changes": entries, "owners": owners})
        return answers.DONE
    for entry in entries:
        number = f" version {entry['version']}" if "version" in entry else ""
        changed = f" ({', '.join(entry['summary'])})" if entry.get("summary") else ""
        answers.tell(
            f"{entry['at']}  {entry['by']}  {entry['change']} {entry['subject'] or '*'}{number}{changed}"
        )
    if not entries:
        answers.tell("Nothing has changed yet.")
    return answers.DONE


def _entry(logged: LoggedChange) -> dict[str, Any]:
    import msgspec

    from maestro.kernel.instants import format_instant

    told = msgspec.to_builtins(logged.change)
    told.pop("text", None)
    kind = told.pop("type")
    return {"number": logged.number, "at": format_instant(logged.at), "by": logged.by, "change": kind, **told}
