"""What the ``maestro edge`` commands share: reading what they are given, and telling a refusal as a document."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import datetime, timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any

from maestro.kernel.errors import BadInputError, PortError, UntrustedError
from maestro_sidecar.cli import answers
from maestro_sidecar.cli.extras import needs_extra
from maestro_sidecar.cli.inputs import read_input, unreadable
from maestro_sidecar.cli.parsing import Parser, add_json

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "SETUP",
    "add_command",
    "days",
    "instant",
    "read_archive_file",
    "read_key",
    "source_content",
    "tell",
    "write_output",
]

_DRIVERS = ("cryptography", "tuf", "yaml", "zstandard")
KEY_BYTES = 64 * 1024
PACKED_BYTES = 64 * 1024 * 1024
ARCHIVE_BYTES = 256 * 1024 * 1024
SETUP = """\
  mkdir -p policy && printf 'package limits\\n\\nallow if input.ok\\n' > policy/limits.rego
  maestro edge keygen keys
  maestro edge publish policy repository --keys keys"""
"""The first lines of the examples: a policy, keys, a repository."""


def add_command(
    commands: argparse._SubParsersAction[Parser],
    name: str,
    run: Callable[[argparse.Namespace], int],
    *,
    brief: str,
    description: str,
    example: str,
) -> Parser:
    """One command, with ``--json``. It says which extra is missing, and answers untrusted content with exit code 3."""
    parser = commands.add_parser(name, help=brief, description=description, example=example)
    add_json(parser)

    def guarded(arguments: argparse.Namespace) -> int:
        with needs_extra("edge", f"maestro edge {name}"):
            for module in _DRIVERS:
                import_module(module)
        try:
            return run(arguments)
        except UntrustedError as error:
            return refusal(arguments, error)

    parser.set_defaults(run=guarded)
    return parser


def refusal(arguments: argparse.Namespace, error: UntrustedError) -> int:
    """Content that is not what it should be: the answer is no, with its reason."""
    document = {"trusted": False, "reasons": [error.code], "message": error.message, "remedy": error.remedy}
    tell(arguments, document, [f"REFUSED {error.code}: {error.message}", f"  {error.remedy}"])
    return answers.NO


def instant(text: str | None, option: str) -> datetime:
    """The instant of an option, or now."""
    from maestro.kernel.instants import parse_instant
    from maestro_adapters.clock import SystemClock

    return SystemClock().now() if text is None else parse_instant(text, option)


def days(value: float, option: str) -> timedelta:
    """A lifetime in days, at least a minute."""
    try:
        found = timedelta(days=value)
    except (OverflowError, ValueError):
        found = timedelta(0)
    if not timedelta(minutes=1) <= found <= timedelta(days=36500):
        raise BadInputError(
            "must be days, from a minute to a hundred years.",
            field=option,
            value=value,
            remedy="Give for example 90, or 0.5.",
        )
    return found


def read_archive_file(name: str, option: str) -> bytes:
    """The bytes of an archive; what is too long is refused by who reads its content."""
    return read_input(name, option, ARCHIVE_BYTES)


def read_key(name: str, option: str) -> bytes:
    """The bytes of a key's file."""
    return read_input(name, option, KEY_BYTES)


def write_output(name: str, content: bytes) -> None:
    """Write a file whole or not at all."""
    from pathlib import Path

    from maestro_adapters.folder_repository import FolderRepository

    path = Path(name)
    try:
        FolderRepository(path.parent).write(path.name, content)
    except PortError as error:
        raise BadInputError(error.message, field="--output", value=name, remedy=error.remedy) from error


def source_content(name: str) -> dict[str, bytes]:
    """The files to publish: of a folder its policies and data, of a bundle's archive all.

    Raises:
        BadInputError: it cannot be read.
    """
    from pathlib import Path

    from maestro.formats.opa_bundle import read_archive

    path = Path(name)
    if not path.is_dir():
        return read_archive(read_archive_file(name, "SOURCE"))
    try:
        return {
            file.relative_to(path).as_posix(): file.read_bytes()
            for file in sorted(path.rglob("*"))
            if file.is_file() and _belongs(file.relative_to(path))
        }
    except OSError as error:
        raise unreadable(name, "SOURCE", error) from error


def _belongs(path: Path) -> bool:
    """Policies and data, as ``opa build`` takes them, without tests and what is hidden."""
    hidden = any(part.startswith(".") for part in path.parts if part != ".manifest")
    name = path.name
    policy = name.endswith(".rego") and not name.endswith("_test.rego")
    return not hidden and (policy or name in {".manifest", "data.json", "data.yaml", "data.yml"})


def tell(arguments: argparse.Namespace, document: dict[str, Any], lines: list[str]) -> None:
    """The answer, as it was asked for."""
    if arguments.json:
        answers.tell_document(document)
    else:
        answers.tell("\n".join(lines))
