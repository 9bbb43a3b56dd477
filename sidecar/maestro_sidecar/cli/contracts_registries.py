"""Which registry a command asks: one behind an address, one in a SQLite store, or that of the settings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import attrs

from maestro.kernel.errors import BadInputError, ConflictError
from maestro_sidecar.cli.inputs import read_input
from maestro_sidecar.cli.parsing import Parser

if TYPE_CHECKING:
    import argparse

    from maestro.lake.contracts import Contract
    from maestro.runtime.contracts import ContractRegistry
    from maestro_adapters.contract_registry import RegistryClient

__all__ = ["Earlier", "add_registry", "local_registry", "subject_versions"]

_TOKEN_BYTES = 4096


@attrs.frozen
class Earlier:
    """What a new schema is judged against.

    Attributes:
        name: as messages call it.
        contracts: the earlier versions, the oldest first.
        mode: that the registry demands; empty when none is known.
    """

    name: str
    contracts: Sequence[Contract]
    mode: str = ""


def add_registry(parser: Parser, *, remote: bool = True) -> None:
    """The options that say which registry."""
    parser.add_argument(
        "--store", metavar="FILE", help="the registry in this SQLite store; else that of the settings"
    )
    if remote:
        parser.add_argument(
            "--registry",
            metavar="URL",
            help="a registry with the field's API, as http://host:port/api/contracts",
        )
        parser.add_argument("--token-file", metavar="FILE", help="holds the token for the registry")


@contextmanager
def local_registry(arguments: argparse.Namespace) -> Iterator[ContractRegistry]:
    """The registry of ``--store`` or of the settings, let go of at the end."""
    from maestro.runtime.contracts import ContractRegistry
    from maestro_adapters.clock import SystemClock
    from maestro_sidecar.settings import load
    from maestro_sidecar.wiring import make_state_folder, open_stores

    if arguments.store:
        from pathlib import Path

        from maestro_adapters.sqlite import SqliteDocuments
        from maestro_sidecar.cli.inputs import require_store

        require_store(Path(arguments.store), "--store")
        documents = SqliteDocuments(arguments.store)
        try:
            yield ContractRegistry(documents, SystemClock())
        finally:
            documents.close()
        return
    settings = load()
    if settings.store.kind == "memory":
        raise BadInputError(
            "is in memory, which ends with its process.", field="store", remedy="Name a --store."
        )
    make_state_folder(settings)
    stores = open_stores(settings)()
    try:
        yield ContractRegistry(stores.documents, SystemClock())
    finally:
        for close in reversed(stores.closing):
            close()


def remote_registry(arguments: argparse.Namespace) -> RegistryClient:
    """The registry of ``--registry``."""
    from maestro_adapters.contract_registry import RegistryClient

    token = None
    if arguments.token_file:
        token = (
            read_input(arguments.token_file, "--token-file", _TOKEN_BYTES).decode("utf-8", "replace").strip()
        )
    return RegistryClient(arguments.registry, token=token)


def subject_versions(arguments: argparse.Namespace, subject: str) -> Earlier:
    """The versions of a subject, and the mode that it is under.

    Raises:
        BadInputError: ``no_such_subject``.
    """
    if arguments.registry:
        return _remote_versions(remote_registry(arguments), subject)
    with local_registry(arguments) as registry:
        return registry.ask(lambda it: _local_versions(it, subject))


def _remote_versions(client: RegistryClient, subject: str) -> Earlier:
    from maestro.lake.contracts import load_contract
    from maestro.lake.contracts.registry.registry import TYPES

    contracts = []
    for number in client.versions(subject):
        text = client.schema(subject, number)
        if text.schema_type not in TYPES:
            raise BadInputError(
                f"has versions in {text.schema_type}, which is not judged here.",
                field="--against",
                value=subject,
            )
        references = client.references(text)
        contracts.append(load_contract(text.schema.encode(), TYPES[text.schema_type], references))
    if not contracts:
        raise _no_such(subject)
    return Earlier(f"subject {subject}", contracts, client.mode(subject))


def _local_versions(registry: Any, subject: str) -> Earlier:
    try:
        versions = registry.versions(subject)
    except ConflictError as error:
        raise _no_such(subject) from error
    contracts = [registry.contract(version.id) for version in versions]
    return Earlier(
        f"subject {subject}", contracts, registry.config(subject, or_global=True)["compatibilityLevel"]
    )


def _no_such(subject: str) -> BadInputError:
    return BadInputError(
        "is no file, no git revision and no subject of the registry.",
        field="--against",
        value=subject,
        code="no_such_subject",
        remedy="Correct it, or say which it is: file:PATH, git:REVISION, subject:NAME.",
    )
