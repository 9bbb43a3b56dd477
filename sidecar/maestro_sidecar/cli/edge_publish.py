"""``maestro edge keygen | publish | refresh | rotate``: keys, and what is made with them."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from maestro.kernel.errors import BadInputError, UntrustedError
from maestro_sidecar.cli import answers
from maestro_sidecar.cli.edge_common import SETUP, add_command, days, source_content, tell
from maestro_sidecar.cli.parsing import Parser

if TYPE_CHECKING:
    from maestro.runtime.publishing import Order, Published, Publisher

__all__ = ["add_to"]

_ROLES = ("root", "targets", "snapshot", "timestamp")
_ALGORITHMS = ("ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512")


def add_to(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the commands."""
    _add_keygen(commands)
    _add_publish(commands)
    _add_refresh(commands)
    _add_rotate(commands)


def _add_keygen(commands: argparse._SubParsersAction[Parser]) -> None:
    parser = add_command(
        commands,
        "keygen",
        _keygen,
        brief="make the keys of a new repository",
        description="Make a folder of keys: one that signs bundles, and one or more for each role of the update metadata. "
        "NAME.pem is private, NAME.pub goes to those who verify, keys.json says which key is for what. Keep the private root "
        "keys elsewhere; they are needed for the first publication and when keys change.",
        example="  maestro edge keygen keys --root-keys 3 --root-threshold 2",
    )
    parser.add_argument("keys", metavar="KEYS", help="the folder; must not hold keys yet")
    parser.add_argument(
        "--algorithm", choices=_ALGORITHMS, default="ES256", help="of the bundle's signature (default: ES256)"
    )
    parser.add_argument(
        "--root-keys", type=int, default=1, metavar="N", help="how many root keys (default: 1)"
    )
    parser.add_argument(
        "--root-threshold", type=int, default=1, metavar="N", help="how many of them must sign (default: 1)"
    )


def _keygen(arguments: argparse.Namespace) -> int:
    from maestro_adapters.edge_keys import KeyFolder

    plan = KeyFolder(arguments.keys).create(
        arguments.algorithm, arguments.root_keys, arguments.root_threshold
    )
    public = f"{arguments.keys}/{plan.bundle.name}.pub"
    document = {
        "keys": arguments.keys,
        "keyEpoch": plan.key_epoch,
        "bundleKey": {"id": plan.bundle.name, "algorithm": plan.bundle.algorithm, "publicKeyFile": public},
        "roles": {
            role: {"threshold": each.threshold, "keys": each.keys} for role, each in plan.roles.items()
        },
    }
    tell(
        arguments,
        document,
        [f"{len(plan.names())} keys are in {arguments.keys}; bundles verify by {public}."],
    )
    return answers.DONE


def _add_publish(commands: argparse._SubParsersAction[Parser]) -> None:
    parser = add_command(
        commands,
        "publish",
        _publish,
        brief="sign a bundle and offer it in a repository",
        description="Sign SOURCE as an OPA bundle and put it into the repository, with deltas from the bundles before it "
        "and update metadata (TUF) around it. REPO is plain files: let any static web server serve them. SOURCE is a folder "
        "of Rego and data (as opa build takes it; tests and hidden files stay out), or a bundle's archive. Publishing the "
        "same again only signs what would expire. It may be killed at any moment: run it again.",
        example=SETUP,
    )
    parser.add_argument("source", metavar="SOURCE", help="a folder, or a bundle's archive")
    _add_repository(parser)
    parser.add_argument("--revision", type=int, metavar="N", help="of the bundle (default: the next one)")
    parser.add_argument(
        "--roots",
        metavar="PATHS",
        help="paths below data that the bundle owns, between commas (default: the manifest's, else what SOURCE has)",
    )
    parser.add_argument("--scope", default="", help="that the signature is for")
    parser.add_argument(
        "--deltas", type=int, default=3, metavar="N", help="from how many bundles before (default: 3)"
    )
    parser.add_argument(
        "--plan",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="add OPA's compiled plan with every package and rule as entrypoint (default: where opa is on PATH)",
    )


def _publish(arguments: argparse.Namespace) -> int:
    with _judged_as_input("SOURCE"):
        content = _with_manifest(source_content(arguments.source), arguments.roots)
        content = _with_plan(content, wanted=arguments.plan)
        with _publisher(arguments) as publisher:
            published = publisher.publish(content, _order(arguments))
    _tell(arguments, published)
    return answers.DONE


def _add_refresh(commands: argparse._SubParsersAction[Parser]) -> None:
    parser = add_command(
        commands,
        "refresh",
        _refresh,
        brief="sign anew what would expire",
        description="Sign the repository's update metadata anew where it is past half of its life, the timestamp always. Run "
        "it from a timer, more often than the timestamp's life; edges stop trusting a repository that nobody signs.",
        example=f"{SETUP}\n  maestro edge refresh repository --keys keys",
    )
    _add_repository(parser)


def _refresh(arguments: argparse.Namespace) -> int:
    with _publisher(arguments) as publisher:
        written = publisher.refresh(_order(arguments))
    tell(arguments, {"written": written}, [f"Signed anew: {', '.join(written)}."])
    return answers.DONE


def _add_rotate(commands: argparse._SubParsersAction[Parser]) -> None:
    parser = add_command(
        commands,
        "rotate",
        _rotate,
        brief="replace keys, and undo what a stolen one signed",
        description="Make new keys for roles and publish a root that names them. --bundle-key replaces the key that signs "
        "bundles and counts up the key epoch: edges then forget how far the revision was pushed, so --revision may be below "
        "what a thief signed. A root key that is replaced must still sign the next root; after that it is not needed.",
        example=f"{SETUP}\n  maestro edge rotate repository --keys keys --role timestamp --bundle-key",
    )
    _add_repository(parser)
    parser.add_argument(
        "--role", action="append", choices=_ROLES, default=[], help="whose keys are replaced; may be repeated"
    )
    parser.add_argument("--bundle-key", action="store_true", help="replace the key that signs bundles too")
    parser.add_argument("--revision", type=int, metavar="N", help="of the bundle that is signed anew")


def _rotate(arguments: argparse.Namespace) -> int:
    from maestro_adapters.edge_keys import KeyFolder

    if not arguments.role and not arguments.bundle_key:
        raise BadInputError(
            "says no key to replace.", field="maestro edge rotate", remedy="Give --role or --bundle-key."
        )
    with _publisher(arguments) as publisher:
        content = publisher.content(arguments.name)
        plan = KeyFolder(arguments.keys).rotate(arguments.role, bundle=arguments.bundle_key)
    with _publisher(arguments) as publisher:
        if arguments.bundle_key:
            _tell(arguments, publisher.publish(content, _order(arguments)))
            return answers.DONE
        written = publisher.refresh(_order(arguments))
    told = f"New keys for {', '.join(arguments.role)}; written: {', '.join(written)}."
    tell(arguments, {"keyEpoch": plan.key_epoch, "written": written}, [told])
    return answers.DONE


# ---- what they share -------------------------------------------------------------------------------------


def _add_repository(parser: Parser) -> None:
    parser.add_argument("repository", metavar="REPO", help="the repository's folder")
    parser.add_argument("--keys", required=True, metavar="KEYS", help="the folder of keys")
    parser.add_argument("--name", default="bundle", help="of the bundle in the repository (default: bundle)")
    for name, default in (("bundle", 90), ("root", 365), ("targets", 90), ("snapshot", 7), ("timestamp", 1)):
        parser.add_argument(
            f"--{name}-days",
            type=float,
            default=default,
            metavar="DAYS",
            help=f"life of the {name}'s signature (default: {default})",
        )


@contextmanager
def _publisher(arguments: argparse.Namespace) -> Iterator[Publisher]:
    from maestro.runtime.publishing import Publisher
    from maestro_adapters.clock import SystemClock
    from maestro_adapters.edge_keys import KeyFolder
    from maestro_adapters.folder_repository import FolderRepository

    folder = KeyFolder(arguments.keys)
    folder.plan()  # a wrong folder is told as such, before a lock is made in it
    with folder.alone():
        yield Publisher(FolderRepository(arguments.repository), folder.load(), SystemClock())


def _order(arguments: argparse.Namespace) -> Order:
    from maestro.calendar.zones import TZDATA_VERSION
    from maestro.edge.repository import Lifetimes
    from maestro.runtime.publishing import Order

    def life(name: str) -> Any:
        return days(getattr(arguments, f"{name}_days"), f"--{name}-days")

    if not arguments.name.replace("-", "").isalnum() or not arguments.name.isascii():
        raise BadInputError(
            "must be letters, digits and dashes.", field="--name", value=arguments.name, remedy="Rename it."
        )
    return Order(
        revision=getattr(arguments, "revision", None),
        name=arguments.name,
        scope=getattr(arguments, "scope", ""),
        bundle_lifetime=life("bundle"),
        lifetimes=Lifetimes(*(life(role) for role in _ROLES)),
        deltas=getattr(arguments, "deltas", 3),
        tzdata=TZDATA_VERSION,
    )


@contextmanager
def _judged_as_input(field: str) -> Iterator[None]:
    """Content of the publisher's own that is no bundle is bad input, by its reason."""
    from maestro.formats.reasons import BundleReason

    try:
        yield
    except UntrustedError as error:
        if error.code not in set(BundleReason):
            raise
        raise BadInputError(error.message, field=field, remedy=error.remedy, code=error.code) from error


def _with_manifest(content: dict[str, bytes], roots: str | None) -> dict[str, bytes]:
    """The content with a manifest that names its roots."""
    import msgspec

    from maestro.formats.opa_bundle import merge_data
    from maestro.formats.opa_manifest import MANIFEST, parse_manifest
    from maestro.formats.rego_package import package_of

    manifest: dict[str, Any] = {"revision": ""}
    if MANIFEST in content:
        parse_manifest(content[MANIFEST])
        manifest = msgspec.json.decode(content[MANIFEST])
    if roots is not None:
        manifest["roots"] = roots.split(",")
    if "roots" not in manifest:
        packages = [package_of(name, each)[0] for name, each in content.items() if name.endswith(".rego")]
        manifest["roots"] = sorted({*packages, *merge_data(content)})
    return content | {MANIFEST: msgspec.json.encode(manifest)}


def _with_plan(content: dict[str, bytes], *, wanted: bool | None) -> dict[str, bytes]:
    """The content with OPA's plan, if it is wanted and can be had."""
    from maestro.formats.opa_bundle import PLAN, bundle_of
    from maestro_adapters.opa_plan import find_opa, plan_of

    if wanted is False or not any(name.endswith(".rego") for name in content):
        return content
    opa = find_opa()
    if opa is None and wanted:
        raise BadInputError("needs opa on PATH.", field="--plan", remedy="Install it, or give --no-plan.")
    if opa is None:
        answers.note(
            "opa is not on PATH: the bundle has no compiled plan, and engines that need one refuse it."
        )
        return content
    bundle_of(content)  # told in our words, before OPA's
    plan = plan_of(opa, content)
    return content if plan is None else content | {PLAN: plan}


def _tell(arguments: argparse.Namespace, published: Published) -> None:
    deltas: Mapping[str, int] = published.deltas
    document = {
        "revision": published.revision,
        "digest": published.digest,
        "fileDigest": published.file_digest,
        "changed": published.changed,
        "deltas": deltas,
        "written": published.written,
    }
    lines = [
        f"Revision {published.revision} is published: {published.digest}"
        if published.changed
        else f"Revision {published.revision} stands as it was; what would expire was signed anew."
    ]
    lines += [f"  {name}: {size} bytes" for name, size in deltas.items()]
    tell(arguments, document, lines)
