"""``maestro edge delta | apply-delta | inspect``: bundles and deltas as files."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from maestro.kernel.errors import BadInputError
from maestro_sidecar.cli import answers
from maestro_sidecar.cli.edge_common import SETUP, add_command, read_archive_file, tell, write_output
from maestro_sidecar.cli.parsing import Parser

if TYPE_CHECKING:
    from maestro.edge.delta import Delta

__all__ = ["add_to"]

_TWO = f"""{SETUP}
  cp repository/bundle.tar.gz one.tar.gz
  echo '{{"users": ["ann"]}}' > policy/data.json
  maestro edge publish policy repository --keys keys --roots limits,users
  maestro edge delta one.tar.gz repository/bundle.tar.gz -o one-two.delta"""


def add_to(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the commands."""
    parser = add_command(
        commands,
        "delta",
        _delta,
        brief="make the delta from one bundle to another",
        description="Write what turns the archive BASE into the archive TARGET, byte for byte. 'publish' makes deltas by "
        "itself; this is for other ways of carrying them. zstd -d --patch-from=BASE.tar applies it too.",
        example=_TWO,
    )
    parser.add_argument("base", metavar="BASE", help="a bundle's archive")
    parser.add_argument("target", metavar="TARGET", help="the newer one")
    parser.add_argument("-o", "--output", required=True, metavar="OUT", help="the file to write")
    parser = add_command(
        commands,
        "apply-delta",
        _apply,
        brief="turn a bundle into the next one",
        description="Apply a delta to its base and write the target's canonical archive, packed where OUT ends in .gz. What "
        "comes out is exactly what the delta names; whether it is to be trusted, 'maestro edge verify' says. Exit 3: the "
        "delta is damaged, or for another base.",
        example=f"{_TWO}\n  maestro edge apply-delta one.tar.gz one-two.delta -o two.tar",
    )
    parser.add_argument("base", metavar="BASE", help="the bundle's archive that the delta starts from")
    parser.add_argument("delta", metavar="DELTA", help="the delta")
    parser.add_argument("-o", "--output", required=True, metavar="OUT", help="OUT.tar or OUT.tar.gz")
    parser = add_command(
        commands,
        "inspect",
        _inspect,
        brief="show what a bundle or a delta says of itself",
        description="Show revision, roots, files, signature and digests of a bundle's archive, or what a delta leads from and "
        "to. Nothing is verified; that is 'maestro edge verify'. Exit 3: it cannot be read.",
        example=f"{SETUP}\n  maestro edge inspect repository/bundle.tar.gz",
    )
    parser.add_argument("file", metavar="FILE", help="a bundle's archive, or a delta")


def _delta(arguments: argparse.Namespace) -> int:
    from maestro.edge import delta
    from maestro.formats.opa_bundle import read_bundle

    base_bytes = read_archive_file(arguments.base, "BASE")
    target_bytes = read_archive_file(arguments.target, "TARGET")
    base, target = read_bundle(base_bytes), read_bundle(target_bytes)
    made = delta.make(base, target)
    write_output(arguments.output, made)
    document = {
        "base": base.digest,
        "target": target.digest,
        "baseRevision": base.revision,
        "revision": target.revision,
        "bytes": len(made),
        "file": arguments.output,
    }
    tell(
        arguments,
        document,
        [f"{base.revision} to {target.revision}: {len(made)} bytes in {arguments.output}."],
    )
    return answers.DONE


def _apply(arguments: argparse.Namespace) -> int:
    from maestro.edge import delta
    from maestro.formats.opa_bundle import gzipped, read_archive

    name = arguments.output
    if not name.endswith((".tar", ".tar.gz", ".tgz")):
        raise BadInputError(
            "must end in .tar, .tar.gz or .tgz.",
            field="--output",
            value=name,
            remedy="Its name says how it is packed.",
        )
    base_bytes = read_archive_file(arguments.base, "BASE")
    delta_bytes = read_archive_file(arguments.delta, "DELTA")
    read = delta.read_delta(delta_bytes)
    archive = delta.apply(read_archive(base_bytes), delta_bytes)
    write_output(name, archive if name.endswith(".tar") else gzipped(archive))
    document = {"revision": read.revision, "digest": read.target, "bytes": len(archive), "file": name}
    tell(arguments, document, [f"Revision {read.revision}, {read.target}, is in {name}."])
    return answers.DONE


def _inspect(arguments: argparse.Namespace) -> int:
    from maestro.edge.delta import FORMAT, read_delta

    data = read_archive_file(arguments.file, "FILE")
    document = _delta_facts(read_delta(data), data) if FORMAT.encode() in data[:200] else _bundle(data)
    tell(arguments, document, _lines(document))
    return answers.DONE


def _delta_facts(read: Delta, data: bytes) -> dict[str, Any]:
    return {
        "kind": "delta",
        "base": read.base,
        "target": read.target,
        "baseRevision": read.base_revision,
        "revision": read.revision,
        "bytes": len(data),
        "targetBytes": read.size,
    }


def _bundle(data: bytes) -> dict[str, Any]:
    import hashlib

    from maestro.formats.opa_bundle import SIGNATURES, read_bundle

    bundle = read_bundle(data)
    signature = bundle.signatures
    return {
        "kind": "bundle",
        "revision": bundle.revision,
        "roots": bundle.manifest.roots,
        "metadata": bundle.manifest.metadata,
        "digest": bundle.digest,
        "fileDigest": f"sha256:{hashlib.sha256(data).hexdigest()}",
        "plan": bundle.plan is not None,
        "files": {name: len(content) for name, content in bundle.files.items() if name != SIGNATURES},
        "signature": None if signature is None else _signature(signature),
    }


def _signature(content: bytes) -> dict[str, Any]:
    """What the signature says, unverified; or that it cannot be read."""
    from maestro.formats.opa_signature import parse_signatures, read_claims, read_signature
    from maestro.kernel.instants import format_instant

    try:
        (token,) = parse_signatures(content)
        signature = read_signature(token)
        claims = read_claims(signature.token.payload)
    except ValueError as error:
        return {"malformed": str(error)}
    times = {"issuedAt": claims.issued_at, "notBefore": claims.not_before, "expires": claims.expires}
    return {
        "algorithm": signature.algorithm,
        "keyId": signature.key_id or claims.key_id,
        "scope": claims.scope,
        **{name: None if time is None else format_instant(time) for name, time in times.items()},
    }


def _lines(document: dict[str, Any]) -> list[str]:
    lines = []
    for name, value in document.items():
        if isinstance(value, dict):
            lines += [f"{name}:", *(f"  {key}: {each}" for key, each in value.items())]
        else:
            lines.append(f"{name}: {', '.join(value) if isinstance(value, tuple) else value}")
    return lines
