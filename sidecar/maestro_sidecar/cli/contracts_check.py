"""``maestro contracts check``: whether a schema may follow another, and how to make it so."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from maestro.kernel.errors import BadInputError
from maestro_sidecar.cli import answers
from maestro_sidecar.cli.contracts_registries import Earlier, add_registry, subject_versions
from maestro_sidecar.cli.extras import needs_extra
from maestro_sidecar.cli.inputs import STDIN, read_input
from maestro_sidecar.cli.parsing import Parser, add_json

if TYPE_CHECKING:
    from maestro.lake.contracts import Contract, Verdict, Violation

__all__ = ["add_to"]

_DESCRIPTION = """\
Judge whether a new schema may follow an older one. What it is judged against is a file, a git revision (the
same file as it was there), or a subject of a registry; when a name could be several, write file:NAME,
git:NAME or subject:NAME. The mode is the subject's, else BACKWARD: who has the new schema reads old data.

Several files can be judged against a git revision at once, as a pre-commit hook does. Exit 0: compatible;
3: not, with each violation's place, rule and a way out.
"""
_EXAMPLE = """\
  echo '{"type": "record", "name": "R", "fields": []}' > old.avsc
  echo '{"type": "record", "name": "R", "fields": [{"name": "a", "type": "int",
    "default": 0}]}' > new.avsc
  maestro contracts check new.avsc --against old.avsc"""
_MOST_BYTES = 64 * 1024 * 1024
"""Of a file: schemas are small, but a Parquet file is read for its schema too."""
_SHOWN = 6
"""Violations told: one screen. ``--json`` has all."""
_EXTENSIONS = {".avsc": "avro", ".parquet": "arrow", ".arrow": "arrow", ".feather": "arrow"}


def add_to(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "check", help="judge whether a schema may follow another", description=_DESCRIPTION, example=_EXAMPLE
    )
    parser.add_argument("new", metavar="NEW", nargs="+", help="the new schema: a file, or - for stdin")
    parser.add_argument(
        "--against", required=True, metavar="FILE|SUBJECT|GIT_REF", help="what it is judged against"
    )
    parser.add_argument(
        "--mode",
        metavar="MODE",
        help="BACKWARD, FORWARD, FULL, one of these with _TRANSITIVE, or NONE; else the subject's, or BACKWARD",
    )
    parser.add_argument(
        "--format", choices=("avro", "json-schema", "arrow"), help="of the schemas; found out when left out"
    )
    add_registry(parser)
    add_json(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    with needs_extra("contracts", "contracts check"):
        judged = [_judged(arguments, name) for name in arguments.new]
    if arguments.json:
        answers.tell_document(_document(arguments.new, [verdict for _, verdict in judged]))
    else:
        for name, (against, verdict) in zip(arguments.new, judged, strict=True):
            answers.tell("\n".join(_lines(name, against, verdict)))
    return answers.DONE if all(verdict.compatible for _, verdict in judged) else answers.NO


def _judged(arguments: argparse.Namespace, name: str) -> tuple[str, Verdict]:
    from maestro.lake.contracts import check
    from maestro.lake.contracts.check import parse_mode

    mode = parse_mode(arguments.mode) if arguments.mode else None
    format_ = arguments.format or _by_extension(name)
    text = read_input(name, "NEW", _MOST_BYTES)
    earlier = _earlier(arguments, name, format_, every=mode is not None and mode.transitive)
    wanted = mode or parse_mode(earlier.mode or "BACKWARD")
    if earlier.contracts and format_ is None:
        format_ = earlier.contracts[-1].format  # a bare JSON text may be of several
    try:
        new = _contract(text, format_)
    except BadInputError as error:
        return earlier.name, _malformed(error, wanted)
    return earlier.name, check(new, earlier.contracts, wanted)


def _earlier(arguments: argparse.Namespace, name: str, format_: str | None, *, every: bool) -> Earlier:
    """What the name after ``--against`` means."""
    kind, _, rest = arguments.against.partition(":")
    named = rest if kind in {"file", "git", "subject"} and rest else arguments.against
    kind = kind if named == rest and rest else ""
    if kind == "file" or (not kind and (named == STDIN or _is_file(named))):
        _require_one(arguments)
        with _naming(named):
            old = _contract(read_input(named, "--against", _MOST_BYTES), format_ or _by_extension(named))
        return Earlier(named, [old])
    if kind == "git" or (not kind and name != STDIN and _is_revision(named, name)):
        return _at_revision(named, name, format_, every=every)
    _require_one(arguments)
    return subject_versions(arguments, named)


def _by_extension(name: str) -> str | None:
    return next((format_ for ending, format_ in _EXTENSIONS.items() if name.endswith(ending)), None)


def _is_file(name: str) -> bool:
    from pathlib import Path

    return Path(name).is_file()


def _is_revision(named: str, name: str) -> bool:
    from pathlib import Path

    from maestro_sidecar.cli.contracts_git import is_revision

    return is_revision(named, Path(name))


def _at_revision(revision: str, name: str, format_: str | None, *, every: bool) -> Earlier:
    from pathlib import Path

    from maestro_sidecar.cli.contracts_git import versions_at

    if name == STDIN:
        raise BadInputError("is stdin, which has no place in git.", field="NEW", remedy="Name the file.")
    texts = versions_at(revision, Path(name), every=every)
    with _naming(f"{revision}:{name}"):
        return Earlier(f"{name} at {revision}", [_contract(text, format_) for text in texts])


def _contract(text: bytes, format_: str | None) -> Contract:
    from maestro.lake.contracts import load_contract

    if len(text) > _MOST_BYTES:
        raise BadInputError(
            f"has more than {_MOST_BYTES} bytes.", code="bad_schema", remedy="Judge a smaller file."
        )
    return load_contract(text, format_)


class _naming:  # noqa: N801 - read as a word: with _naming(file)
    """An error within an older schema tells which it was found in; it is not what is judged."""

    def __init__(self, file: str) -> None:
        self._file = file

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, BadInputError):
            error.add_note(self._file)


def _require_one(arguments: argparse.Namespace) -> None:
    if len(arguments.new) > 1:
        raise BadInputError(
            "takes one file, unless it is judged against a git revision.", field="NEW", remedy="Name one."
        )


def _malformed(error: BadInputError, mode: Any) -> Verdict:
    """What is under judgement and no schema is not compatible, and that is an answer."""
    from maestro.lake.contracts import Verdict, Violation

    found = Violation(error.field or "/", error.code, str(error), error.remedy or "Correct it.")
    return Verdict.of(mode, [found], [])


def _document(names: Sequence[str], verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Of one file the verdict; of several all violations, each with its file."""
    if len(verdicts) == 1:
        return verdicts[0].document()
    told = [verdict.document() for verdict in verdicts]
    return {
        "compatible": all(verdict.compatible for verdict in verdicts),
        **{
            part: [
                {"file": name, **each} for name, one in zip(names, told, strict=True) for each in one[part]
            ]
            for part in ("violations", "advice")
        },
    }


def _lines(name: str, against: str, verdict: Verdict) -> Iterator[str]:
    if verdict.compatible:
        yield f"COMPATIBLE ({verdict.mode}): {name} may follow {against}."
    else:
        yield f"INCOMPATIBLE ({verdict.mode}): {name} may not follow {against}."
    yield from _told(verdict.violations)
    if verdict.advice:
        yield "Advice:"
        yield from _told(verdict.advice)


def _told(findings: Sequence[Violation]) -> Iterator[str]:
    for found in findings[:_SHOWN]:
        version = f", version {found.version}" if found.version is not None else ""
        yield f"  {found.path}  {found.rule} ({found.direction}{version})"
        yield f"    {found.message}"
        if found.remedy and found.remedy not in found.message:
            yield f"    Fix: {found.remedy}"
    if len(findings) > _SHOWN:
        yield f"  and {len(findings) - _SHOWN} more; --json lists all."
