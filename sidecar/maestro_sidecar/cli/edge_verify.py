"""``maestro edge verify``: is this bundle, or what this repository offers, to be trusted?"""

from __future__ import annotations

import argparse
from datetime import datetime
from typing import TYPE_CHECKING, Any

from maestro.kernel.errors import BadInputError, UntrustedError
from maestro_sidecar.cli import answers
from maestro_sidecar.cli.edge_common import SETUP, add_command, instant, read_archive_file, read_key, tell
from maestro_sidecar.cli.inputs import read_input
from maestro_sidecar.cli.parsing import Parser

if TYPE_CHECKING:
    from maestro.edge.bundle_targets import BundleTarget
    from maestro.edge.trust import Update
    from maestro.edge.verify import Expected, TrustedKey, Verdict
    from maestro.ports.fetching import Fetcher

__all__ = ["add_to"]

_ROOT_BYTES = 512_000


def add_to(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "verify",
        _verify,
        brief="say whether a bundle, or what a repository offers, is to be trusted",
        description="Judge BUNDLE by its archive alone: one signature by the key, over every file, by SHA-256 or better; roots; "
        "exp and nbf at --at; scope; revision. Or judge what a repository offers: its update metadata from the root that you "
        "were handed, then the archive. Claims that are absent are no fault, and are listed as not checked.\n\n"
        "Exit 0: trusted; 3: not, or malformed; 2: a file cannot be read.",
        example=f"{SETUP}\n"
        "  maestro edge verify repository/bundle.tar.gz --key keys/bundle-1.pub\n"
        "  maestro edge verify --repo repository --root repository/metadata/1.root.json \\\n    --key keys/bundle-1.pub",
    )
    parser.add_argument("bundle", metavar="BUNDLE", nargs="?", help="the archive, packed with gzip or not")
    parser.add_argument(
        "--key", metavar="PUB", help="public key in PEM; with --algorithm HS… the file of the secret"
    )
    parser.add_argument("--key-id", default="", metavar="ID", help="name that the token must call the key by")
    parser.add_argument("--algorithm", metavar="ALG", help="of the key (default: the curve's; RS256 for RSA)")
    parser.add_argument("--scope", default="", help="that the signature must be for")
    parser.add_argument("--at", metavar="TIME", help="RFC 3339 instant of use (default: now)")
    parser.add_argument("--min-revision", type=int, metavar="N", help="the oldest that is accepted")
    parser.add_argument("--repo", metavar="URL|DIR", help="the repository")
    parser.add_argument(
        "--root", metavar="FILE", help="root metadata that was handed over by a way you trust"
    )
    parser.add_argument("--name", default="bundle", help="of the bundle in the repository (default: bundle)")


def _verify(arguments: argparse.Namespace) -> int:
    if (arguments.bundle is None) == (arguments.repo is None):
        raise _usage("needs either BUNDLE or --repo.", "Give --repo and --root to judge a repository.")
    if arguments.repo is not None and arguments.root is None:
        raise _usage(
            "needs --root with --repo.", "Trust begins with a root; the repository's own proves nothing."
        )
    if arguments.bundle is not None and arguments.key is None:
        raise _usage("needs --key with BUNDLE.", "Name the publisher's public key.")
    at = instant(arguments.at, "--at")
    keys = _keys(arguments)
    if arguments.bundle is not None:
        data = read_archive_file(arguments.bundle, "BUNDLE")
        return _tell(arguments, _judge(data, keys, at, _expected(arguments)), {})
    return _verify_repository(arguments, keys, at)


def _keys(arguments: argparse.Namespace) -> list[TrustedKey]:
    from maestro.edge.verify import TrustedKey
    from maestro.formats.jws import parse_public_key, parse_secret

    if arguments.key is None:
        return []
    content, algorithm = read_key(arguments.key, "--key"), arguments.algorithm
    try:
        if algorithm is not None and algorithm.startswith("HS"):
            return [TrustedKey(arguments.key_id, parse_secret(content.rstrip(b"\r\n"), algorithm).public)]
        return [TrustedKey(arguments.key_id, parse_public_key(content, algorithm))]
    except BadInputError as error:
        error.add_note(arguments.key)
        raise


def _expected(arguments: argparse.Namespace, digest: str | None = None) -> Expected:
    from maestro.edge.verify import Expected

    return Expected(scope=arguments.scope, min_revision=arguments.min_revision, digest=digest)


def _judge(data: bytes, keys: list[TrustedKey], at: datetime, expected: Expected) -> Verdict:
    from maestro.edge.verify import verify_archive

    return verify_archive(data, keys, at=at, expected=expected)


def _tell(arguments: argparse.Namespace, verdict: Verdict, more: dict[str, Any]) -> int:
    document = {
        "trusted": verdict.trusted,
        "reasons": verdict.reasons,
        "revision": verdict.revision,
        "digest": verdict.digest,
        "fileDigest": verdict.file_digest,
        "notChecked": verdict.not_checked,
        "findings": [
            {"reason": each.reason.value, "message": each.message, "remedy": each.reason.remedy}
            for each in verdict.findings
        ],
        **more,
    }
    word = "TRUSTED" if verdict.trusted else "NOT TRUSTED"
    lines = [f"{word}: revision {verdict.revision or 'unknown'}, {verdict.digest or verdict.file_digest}"]
    for each in verdict.findings:
        lines += [f"  {each.reason.value}: {each.message}", f"    {each.reason.remedy}"]
    lines += [f"Not checked: {', '.join(verdict.not_checked)}."] if verdict.not_checked else []
    tell(arguments, document, lines)
    return answers.DONE if verdict.trusted else answers.NO


# ---- a repository ----------------------------------------------------------------------------------------


def _verify_repository(arguments: argparse.Namespace, keys: list[TrustedKey], at: datetime) -> int:
    from maestro.edge.bundle_targets import offered
    from maestro.edge.trust import begin
    from maestro.edge.trust_state import TrustState

    root = read_input(arguments.root, "--root", _ROOT_BYTES)
    fetcher = _fetcher(arguments.repo)
    try:
        update = _refreshed(begin(TrustState(root), at), fetcher)
        target = offered(update, arguments.name)
        data = _fetched(fetcher, target)
        verdict = (
            _judge(data, keys, at, _expected(arguments, target.digest)) if keys else _vouched(data, target)
        )
    except UntrustedError as error:
        return _refused(arguments, error)
    finally:
        _close(fetcher)
    more = {"freshUntil": update.fresh_until, "keyEpoch": target.key_epoch, "tzdata": target.tzdata}
    return _tell(arguments, verdict, more)


def _refreshed(update: Update, fetcher: Fetcher) -> Update:
    from maestro.ports.fetching import METADATA_TYPES

    while update.wants is not None:
        wants = update.wants
        got = fetcher.get(f"metadata/{wants.path}", most=wants.most_bytes, types=METADATA_TYPES)
        update = update.feed(got.body)
    return update


def _fetched(fetcher: Fetcher, target: BundleTarget) -> bytes:
    got = fetcher.get(f"targets/{target.file.path}", most=target.file.length)
    if got.body is None:
        raise UntrustedError(
            f"The repository has no {target.file.path}, which it announces.",
            code="target_missing",
            remedy="Publish again; the copy is not whole.",
        )
    target.file.check(got.body)
    return got.body


def _vouched(data: bytes, target: BundleTarget) -> Verdict:
    """Without a key the update metadata alone vouch; that the bundle's own signature was not asked is told."""
    import hashlib

    from maestro.edge.verify import Verdict
    from maestro.formats.opa_bundle import read_bundle

    bundle = read_bundle(data)
    if bundle.digest != target.digest:
        raise UntrustedError(
            "The archive is not the one announced.", code="digest_mismatch", remedy="Publish again."
        )
    file_digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    return Verdict((), file_digest, bundle.revision, bundle.digest, ("signature",))


def _refused(arguments: argparse.Namespace, error: UntrustedError) -> int:
    document = {
        "trusted": False,
        "reasons": [error.code],
        "revision": None,
        "digest": None,
        "fileDigest": None,
        "notChecked": [],
        "findings": [{"reason": error.code, "message": error.message, "remedy": error.remedy}],
    }
    tell(arguments, document, [f"NOT TRUSTED\n  {error.code}: {error.message}\n    {error.remedy}"])
    return answers.NO


def _fetcher(where: str) -> Fetcher:
    if "://" in where:
        from maestro_adapters.fetch_http import HttpFetcher

        return HttpFetcher(where)
    from pathlib import Path

    from maestro_adapters.fetch_folder import FolderFetcher

    if not Path(where).is_dir():
        raise BadInputError("is no folder.", field="--repo", value=where, remedy="Name a folder or a URL.")
    return FolderFetcher(where)


def _close(fetcher: Any) -> None:
    close = getattr(fetcher, "close", None)
    if close is not None:
        close()


def _usage(message: str, remedy: str) -> BadInputError:
    return BadInputError(message, field="maestro edge verify", remedy=remedy)
