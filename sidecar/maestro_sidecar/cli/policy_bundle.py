"""What the ``maestro policy`` commands share: a bundle from a file or folder, its signature, its plan, its program."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING

import attrs

from maestro.kernel.errors import BadInputError, UntrustedError
from maestro_sidecar.cli import answers
from maestro_sidecar.cli.extras import needs_extra
from maestro_sidecar.cli.inputs import read_input, unreadable
from maestro_sidecar.cli.parsing import Parser

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maestro.rego import Program

__all__ = ["Loaded", "add_bundle", "load", "now_ns", "policy_faults", "read_document"]

_ARCHIVE_BYTES = 256 * 1024 * 1024
_DOCUMENT_BYTES = 64 * 1024 * 1024
_KEY_BYTES = 64 * 1024


@attrs.frozen
class Loaded:
    """A bundle made ready.

    Attributes:
        program: its compiled policy.
        files: of the bundle.
        planned: whether the plan was made just now by ``opa``.
    """

    program: Program
    files: Mapping[str, bytes]
    planned: bool


def add_bundle(parser: Parser) -> None:
    """The options that say which bundle, and whose signature it must bear."""
    parser.add_argument("--bundle", required=True, metavar="B", help="archive or folder of policies and data")
    parser.add_argument(
        "--key", metavar="PUB", help="public key in PEM that must have signed the archive (default: any)"
    )


def load(arguments: argparse.Namespace, command: str, *, tests: bool = False) -> Loaded:
    """Read, verify and compile the bundle of ``--bundle``.

    Args:
        arguments: of the command line.
        command: its name, for messages.
        tests: keep test files of a folder.

    Raises:
        BadInputError: it cannot be read or compiled.
        UntrustedError: it is no bundle, or its signature does not hold.
    """
    with needs_extra("rego", f"maestro policy {command}"):
        import_module("re2")
    from maestro.rego import compile_plan

    files = _read(arguments, tests=tests)
    plan = files.get("plan.json")
    planned = plan is None
    if plan is None:
        plan = _planned(files)
    from maestro.formats.opa_bundle import merge_data
    from maestro.rego.numbers import number

    program = compile_plan(plan, data=merge_data(files, number), revision="")
    return Loaded(program, files, planned)


def _read(arguments: argparse.Namespace, *, tests: bool) -> Mapping[str, bytes]:
    from pathlib import Path

    from maestro.formats.opa_bundle import read_archive

    path = Path(arguments.bundle)
    if path.is_dir():
        if arguments.key is not None:
            raise BadInputError(
                "a folder bears no signature.",
                field="--key",
                value=arguments.bundle,
                remedy="Name the signed archive, or leave --key out.",
            )
        return _folder(arguments.bundle, tests=tests)
    data = read_input(arguments.bundle, "--bundle", _ARCHIVE_BYTES)
    if arguments.key is None:
        answers.note("maestro: no signature was checked; --key names the key that must have signed.")
    else:
        _verify(data, arguments.key)
    return read_archive(data)


def _folder(name: str, *, tests: bool) -> dict[str, bytes]:
    from pathlib import Path

    path = Path(name)
    wanted = {".manifest", "data.json", "data.yaml", "data.yml", "plan.json"}
    try:
        found = {
            file.relative_to(path).as_posix(): file.read_bytes()
            for file in sorted(path.rglob("*"))
            if file.is_file()
            and (file.name in wanted or file.suffix == ".rego")
            and (tests or not file.name.endswith("_test.rego"))
        }
    except OSError as error:
        raise unreadable(name, "--bundle", error) from error
    if not found:
        raise BadInputError(
            "holds neither policies nor a plan.",
            field="--bundle",
            value=name,
            remedy="Name a folder of .rego files.",
        )
    return found


def _verify(data: bytes, key: str) -> None:
    with needs_extra("edge", "maestro policy --key"):
        import_module("cryptography")
    from maestro.edge.verify import TrustedKey, verify_archive
    from maestro.formats.jws import parse_public_key
    from maestro_adapters.clock import SystemClock

    trusted = TrustedKey("", parse_public_key(read_input(key, "--key", _KEY_BYTES)))
    verdict = verify_archive(data, [trusted], at=SystemClock().now())
    if not verdict.trusted:
        first = verdict.findings[0]
        raise UntrustedError(first.message, code=first.reason.value, remedy=first.reason.remedy)


def _planned(files: Mapping[str, bytes]) -> bytes:
    from maestro_adapters.opa_plan import find_opa, plan_of

    opa = find_opa()
    if opa is None:
        raise BadInputError(
            "has no plan.json, and there is no opa on PATH to make it.",
            field="--bundle",
            code="no_plan",
            remedy="Build the bundle with: opa build -t plan -e PACKAGE/RULE, or install opa.",
        )
    plan = plan_of(opa, files)
    if plan is None:
        raise BadInputError(
            "has no policies.", field="--bundle", code="no_plan", remedy="Name a bundle with .rego files."
        )
    return plan


@contextmanager
def policy_faults() -> Iterator[None]:
    """Around an evaluation: one that ends without a decision is the policy's fault, and so its author's.

    Raises:
        BadInputError: with the evaluation's code.
    """
    from maestro.rego import EvaluationError

    try:
        yield
    except EvaluationError as error:
        raise BadInputError(error.message, field="policy", code=error.code, remedy=error.remedy) from error


def read_document(name: str | None) -> object:
    """The bytes of ``--input``; undefined without."""
    from maestro.rego import UNDEFINED

    return UNDEFINED if name is None else read_input(name, "--input", _DOCUMENT_BYTES)


def now_ns() -> int:
    """What policies are to take for now, in nanoseconds since 1970."""
    from maestro_adapters.clock import SystemClock

    return int(SystemClock().now().timestamp() * 1_000_000) * 1_000
