"""``maestro audit``: make keys, enter events, verify, export and prove a node's audit log."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from maestro.kernel.errors import BadInputError, PortError
from maestro_sidecar.cli import answers
from maestro_sidecar.cli.extras import needs_extra
from maestro_sidecar.cli.inputs import read_input, unreadable
from maestro_sidecar.cli.parsing import Parser, add_json

if TYPE_CHECKING:
    from pathlib import Path

    from maestro.audit import LogKey, Verdict
    from maestro_adapters.postgres.audit import PostgresAuditLogs
    from maestro_adapters.sqlite.audit import SqliteAuditFile

__all__ = ["add_to", "report"]

Key = TypeVar("Key")

_KEY_BYTES = 4096
_NOTE_BYTES = 1024 * 1024
_HEADER_BYTES = 256 * 1024 * 1024
_NOTE_EVERY = 100_000
"""Entries between two lines of progress: about a second of work."""

_RECORDED = """\
  maestro demo --runs 20 --store demo.db
  maestro audit keygen example.org/node-1 --out node-1.key
  maestro audit record demo.db --key node-1.key"""


def add_to(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the group and its commands."""
    group = commands.add_parser(
        "audit",
        help="verify, export and prove a node's audit log",
        description="Audit logs: every entry is signed when it is made, and nobody can change one unseen.",
        example=f"{_RECORDED}\n  maestro audit verify demo.db --key node-1.key.pub",
    )
    below = group.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_verify(below)
    _add_export(below)
    _add_prove(below)
    _add_record(below)
    _add_keygen(below)


def _add(
    commands: argparse._SubParsersAction[Parser],
    name: str,
    run: Callable[[argparse.Namespace], int],
    *,
    brief: str,
    description: str,
    example: str,
) -> Parser:
    """One command, with ``--json``; it says what is missing where the extra is not installed."""
    parser = commands.add_parser(name, help=brief, description=description, example=example)
    add_json(parser)

    def guarded(arguments: argparse.Namespace) -> int:
        with needs_extra("audit", f"audit {name}"):
            import maestro.audit.primitives  # noqa: F401  # only to see whether it is installed
        return run(arguments)

    parser.set_defaults(run=guarded)
    return parser


# ---- verify ----------------------------------------------------------------------------------------------


def _add_verify(commands: argparse._SubParsersAction[Parser]) -> None:
    parser = _add(
        commands,
        "verify",
        _verify,
        brief="find out whether a log is as it was signed",
        description="Judge a log from its entries up: LOG is the store, which is only read, or what 'maestro audit "
        "export' wrote. Any entry that was altered, moved or taken out is found. That entries at its end are "
        "gone, or that its owner signed another history, only a checkpoint shows that was kept elsewhere. "
        "Exit 0: as signed; 3: not.",
        example=f"{_RECORDED}\n  maestro audit verify demo.db --key node-1.key.pub",
    )
    parser.add_argument("log", metavar="LOG", help="the SQLite store, a postgresql:// URL, or an export")
    parser.add_argument(
        "--key", required=True, metavar="PUB", help="public key of the log: a file, or the key itself"
    )
    parser.add_argument("--cosigner", metavar="PUB", help="public key of who must have cosigned")
    parser.add_argument(
        "--checkpoint", metavar="FILE", help="a checkpoint of this log that was kept elsewhere"
    )


def _verify(arguments: argparse.Namespace) -> int:
    from maestro.audit import parse_cosigner_key, parse_log_key

    key = _key(arguments.key, "--key", parse_log_key)
    cosigners = [_key(arguments.cosigner, "--cosigner", parse_cosigner_key)] if arguments.cosigner else []
    elsewhere = None
    if arguments.checkpoint:
        elsewhere = read_input(arguments.checkpoint, "--checkpoint", _NOTE_BYTES)
    verdict = _verdict(arguments.log, key, {"cosigners": cosigners, "elsewhere": elsewhere})
    if arguments.json:
        answers.tell_document(report(key, verdict))
    else:
        answers.tell("\n".join(_lines(key, verdict)))
    return answers.DONE if verdict.ok else answers.NO


def report(key: LogKey, verdict: Verdict) -> dict[str, Any]:
    """The document of ``--json``."""
    from base64 import b64encode

    document: dict[str, Any] = {
        "ok": verdict.ok,
        "origin": key.name,
        "size": verdict.size,
        "rootHash": b64encode(verdict.root).decode(),
        "provedSize": verdict.proved,
        "notChecked": list(verdict.not_checked),
        "reasons": list(dict.fromkeys(str(each.reason) for each in verdict.findings)),
        "findings": [
            {"reason": str(each.reason), "message": each.message, "remedy": each.remedy}
            | ({} if each.entry is None else {"entry": each.entry})
            for each in verdict.findings
        ],
    }
    if verdict.first_bad is not None:
        document["firstBad"] = verdict.first_bad
    return document


def _lines(key: LogKey, verdict: Verdict) -> Iterator[str]:
    if verdict.ok:
        yield f"OK: all {verdict.size} entries of {key.name} are as they were signed."
    else:
        yield f"NOT OK: the log of {key.name}, {verdict.size} entries read, is not as it was signed."
    for each in verdict.findings:
        yield f"  {each.reason}: {each.message}"
        yield f"    {each.remedy}"
    if verdict.first_bad is not None:
        certain = (
            f"the first {verdict.proved} are as signed for certain" if verdict.proved else "none is certain"
        )
        yield f"First bad entry found: {verdict.first_bad} (counted from 0); {certain}."
    if verdict.not_checked:
        yield "Not checked: whether entries at the end are gone. Give --checkpoint one that was kept elsewhere."


def _verdict(log: str, key: LogKey, options: dict[str, Any]) -> Verdict:
    from maestro_sidecar.event_logs import is_sqlite

    if _is_url(log):
        return _of_store(log, key, options)
    path = _path(log)
    try:
        stored = is_sqlite(path)
        return _of_store(log, key, options) if stored else _of_export(log, key, options)
    except OSError as error:
        raise unreadable(log, "LOG", error) from error


def _of_store(log: str, key: LogKey, options: dict[str, Any]) -> Verdict:
    from maestro.audit import AuditReason, Judge

    judge = None
    try:
        with _store(log) as file:
            notes = file.checkpoints(key.name)
            if not notes and (others := file.origins()):
                return _other_log(key, others, options)
            judge = Judge(key, notes[-1] if notes else None, earlier=notes[:-1], **options)
            for number, entry in enumerate(file.entries(key.name)):
                if entry.sequence != number:
                    judge.missing(number)
                judge.feed(entry.body, entry.hashes)
                _progress(number)
    except PortError as error:
        if error.code != "log_damaged":
            raise
        judge = judge or Judge(key, None, **options)
        judge.find(AuditReason.LOG_DAMAGED, error.message)
    return judge.verdict()


def _other_log(key: LogKey, others: list[str], options: dict[str, Any]) -> Verdict:
    from maestro.audit import AuditReason, Judge

    judge = Judge(key, None, **options)
    judge.find(
        AuditReason.OTHER_LOG, f"The key is of {key.name!r}; the file holds {', '.join(map(repr, others))}."
    )
    return judge.verdict()


def _of_export(log: str, key: LogKey, options: dict[str, Any]) -> Verdict:
    from maestro.audit import AuditReason, Judge
    from maestro.audit.entries import ENTRY_LIMIT
    from maestro.audit.export import decode_entry, decode_header

    with _path(log).open("rb") as file:
        header = decode_header(file.readline(_HEADER_BYTES))
        latest = None if header.checkpoint is None else header.checkpoint.encode()
        judge = Judge(key, latest, earlier=[note.encode() for note in header.earlier], **options)
        number = 0
        while line := file.readline(ENTRY_LIMIT + _KEY_BYTES):
            record = decode_entry(line)
            if record is None:
                cut = not line.endswith(b"\n")
                reason = AuditReason.LOG_CUT if cut else AuditReason.LOG_DAMAGED
                judge.find(reason, f"Line {number + 2} is no whole record.", number)
                break
            judge.feed(*record)
            _progress(number)
            number += 1
    return judge.verdict()


def _progress(number: int) -> None:
    if number and number % _NOTE_EVERY == 0:
        answers.note(f"{number} entries")


# ---- export and prove ------------------------------------------------------------------------------------


def _add_export(commands: argparse._SubParsersAction[Parser]) -> None:
    parser = _add(
        commands,
        "export",
        _export,
        brief="write a log as one file that needs no database",
        description="Write a log as JSON lines: first its signed checkpoint, then one line for each entry with the very "
        "bytes that were hashed. 'maestro audit verify' reads it, and so does a script of a hundred lines that "
        "knows nothing of Maestro (examples/audit/verify_export.py).",
        example=f"{_RECORDED}\n  maestro audit export demo.db node-1.jsonl",
    )
    parser.add_argument("store", metavar="LOG", help="the SQLite store, or a postgresql:// URL; only read")
    parser.add_argument("out", metavar="OUT", help="the file to write; replaced when it is whole")
    parser.add_argument("--origin", metavar="NAME", help="which log, where the store holds several")


def _export(arguments: argparse.Namespace) -> int:
    from maestro.audit.export import encode_entry, encode_header
    from maestro.audit.hashing import HASH_BYTES

    out = _path(arguments.out)
    partial = out.with_name(f"{out.name}.partial")
    try:
        with _store(arguments.store) as file, partial.open("wb") as target:
            origin = _origin(file, arguments.origin)
            notes, size = file.checkpoints(origin), 0
            target.write(encode_header(notes[-1] if notes else None, notes[:-1]))
            for entry in file.entries(origin):
                target.write(encode_entry(entry.body, entry.hashes[:HASH_BYTES]))
                _progress(entry.sequence)
                size += 1
        partial.replace(out)
    except OSError as error:
        raise unreadable(arguments.out, "OUT", error) from error
    finally:
        partial.unlink(missing_ok=True)
    if arguments.json:
        answers.tell_document({"origin": origin, "size": size, "file": str(out)})
    else:
        answers.tell(f"{size} entries of {origin} are in {out}.")
    return answers.DONE


def _add_prove(commands: argparse._SubParsersAction[Parser]) -> None:
    parser = _add(
        commands,
        "prove",
        _prove,
        brief="prove one entry to somebody who has only the public key",
        description="Print the proof that an entry is in the log, as a C2SP tlog-proof: the path from the entry to the "
        "signed checkpoint, and that checkpoint. With --json also the entry.",
        example=f"{_RECORDED}\n  maestro audit prove demo.db 0",
    )
    parser.add_argument("store", metavar="LOG", help="the SQLite store, or a postgresql:// URL; only read")
    parser.add_argument("index", metavar="INDEX", type=int, help="the place of the entry, counted from 0")
    parser.add_argument("--origin", metavar="NAME", help="which log, where the store holds several")


def _prove(arguments: argparse.Namespace) -> int:
    from base64 import b64encode

    from maestro.audit import inclusion_proof
    from maestro.audit.checkpoints import size_of
    from maestro.audit.proofs import InclusionProof, encode_proof

    with _store(arguments.store) as file:
        origin = _origin(file, arguments.origin)
        notes, index = file.checkpoints(origin), arguments.index
        size = size_of(notes[-1]) if notes else 0
        path = inclusion_proof(lambda nodes: file.hashes(origin, nodes), index, size)
        (entry,) = file.read(origin, index, 1)
    if arguments.json:
        note = notes[-1].decode()
        hashes = [b64encode(each).decode() for each in path]
        answers.tell_document(
            {"index": index, "size": size, "entry": entry.body.decode(), "hashes": hashes, "checkpoint": note}
        )
    else:
        proof = InclusionProof(index, path, notes[-1])
        answers.tell(encode_proof(proof).decode().removesuffix("\n"))
    return answers.DONE


def _origin(file: SqliteAuditFile | PostgresAuditLogs, asked: str | None) -> str:
    """The log that is meant: the one asked for, or the only one."""
    origins = file.origins()
    if asked is None and len(origins) == 1:
        return origins[0]
    if asked not in origins or asked is None:
        raise BadInputError(
            "does not say which log." if asked is None else "is no log of this store.",
            field="--origin",
            value=asked,
            remedy=f"It holds: {', '.join(origins) or 'none'}.",
        )
    return asked


def _is_url(name: str) -> bool:
    return name.startswith(("postgresql://", "postgres://"))


def _store(name: str) -> SqliteAuditFile | PostgresAuditLogs:
    """The store, opened for reading. What is no store is bad input; a damaged one is told as what it is."""
    from maestro_adapters.postgres.audit import PostgresAuditLogs
    from maestro_adapters.sqlite.audit import SqliteAuditFile

    try:
        return PostgresAuditLogs(name) if _is_url(name) else SqliteAuditFile(_path(name))
    except PortError as error:
        if error.code == "log_damaged":
            raise
        raise BadInputError(error.message, field="LOG", remedy=error.remedy, code=error.code) from error


# ---- record and keygen -----------------------------------------------------------------------------------


def _add_record(commands: argparse._SubParsersAction[Parser]) -> None:
    parser = _add(
        commands,
        "record",
        _record,
        brief="enter a store's events into its audit log",
        description="Enter what changed limits since the last time, each change once, into the audit log in the same "
        "store, and sign it. The log is named as its key.",
        example=_RECORDED,
    )
    parser.add_argument("store", metavar="STORE", help="the SQLite store")
    parser.add_argument("--key", required=True, metavar="FILE", help="private key of the log")
    parser.add_argument("--cosigner", metavar="FILE", help="private key that signs each checkpoint too")


def _record(arguments: argparse.Namespace) -> int:
    from contextlib import closing

    from maestro.audit import parse_cosigner, parse_log_signer
    from maestro.runtime.audit import AuditLog, EventFollower
    from maestro_adapters.clock import SystemClock
    from maestro_adapters.sqlite import SqliteOutbox
    from maestro_adapters.sqlite.audit import SqliteAudit
    from maestro_sidecar.cli.inputs import require_store

    signer = _key(arguments.key, "--key", parse_log_signer)
    cosigner = _key(arguments.cosigner, "--cosigner", parse_cosigner) if arguments.cosigner else None
    path = _path(arguments.store)
    if not path.is_file():
        raise unreadable(arguments.store, "STORE", FileNotFoundError(2, "No such file or directory"))
    require_store(path, "STORE")
    with closing(SqliteAudit(path, signer.name)) as store, closing(SqliteOutbox(path)) as events:
        log = AuditLog(store, signer, SystemClock(), cosigner=cosigner)
        before = store.size()
        EventFollower(log, events).catch_up()
        size, note = store.size(), log.checkpoint()
    if arguments.json:
        document = {"origin": signer.name, "entered": size - before, "size": size}
        answers.tell_document(document | ({"checkpoint": note.decode()} if note else {}))
    else:
        answers.tell(f"{size - before} entries entered; the log of {signer.name} has {size}.")
    return answers.DONE


def _add_keygen(commands: argparse._SubParsersAction[Parser]) -> None:
    parser = _add(
        commands,
        "keygen",
        _keygen,
        brief="make a key pair for a log or a cosigner",
        description="Make an Ed25519 key pair, as Go's note package and the C2SP formats write them. The private key goes "
        "to FILE, readable by nobody else, the public one to FILE.pub. NAME is that of the log.",
        example="  maestro audit keygen example.org/node-1 --out node-1.key",
    )
    parser.add_argument("name", metavar="NAME", help="for example the host and the node: example.org/node-1")
    parser.add_argument(
        "--out", required=True, metavar="FILE", help="where the private key goes; must not exist"
    )
    parser.add_argument("--cosigner", action="store_true", help="for who confirms checkpoints of others")


def _keygen(arguments: argparse.Namespace) -> int:
    import os
    import secrets

    from maestro.audit import Cosigner, LogSigner

    seed = secrets.token_bytes(32)
    pair = Cosigner(arguments.name, seed) if arguments.cosigner else LogSigner(arguments.name, seed)
    private, public = _path(arguments.out), _path(f"{arguments.out}.pub")
    try:
        if public.exists():
            raise FileExistsError(17, "File exists", str(public))
        with os.fdopen(os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"{pair.secret()}\n")
        public.write_text(f"{pair.key}\n", encoding="utf-8")
    except OSError as error:
        raise BadInputError(
            f"cannot be written: {error.strerror}.",
            field="--out",
            value=str(error.filename or arguments.out),
            remedy="Name a new file in a folder that this user may write to.",
        ) from error
    if arguments.json:
        files = {"privateKeyFile": str(private), "publicKeyFile": str(public)}
        answers.tell_document({"name": pair.name, "publicKey": str(pair.key)} | files)
    else:
        answers.tell(str(pair.key))
        answers.note(f"private key: {private}; public key: {public}")
    return answers.DONE


def _path(name: str) -> Path:
    from pathlib import Path

    return Path(name)


def _key(given: str, option: str, parse: Callable[[str], Key]) -> Key:
    """A key from a file, or given as such. An error names the file, never a key."""
    literal = given.count("+") >= 2 and not _path(given).exists()
    text = given if literal else read_input(given, option, _KEY_BYTES).decode("utf-8", "replace")
    try:
        return parse(text)
    except BadInputError as error:
        if not literal:
            error.add_note(given)
        raise
