"""A contract registry behind the field's registry API: ours in a sidecar, or any other that speaks it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Final
from urllib.parse import quote, urlsplit

import msgspec

from maestro.formats.strict_json import loads
from maestro.kernel.errors import BadInputError, ConflictError, MaestroError, PortError
from maestro.lake.contracts.registry.changes import Reference, SchemaText

__all__ = ["RegistryClient"]

_MEDIA: Final = "application/vnd.schemaregistry.v1+json"
_MOST: Final = 16 * 1024 * 1024
_DEPTH: Final = 64


class RegistryClient:
    """Asks a registry, one connection a question.

    Args:
        address: ``https://host/path``, to which the API's paths are added.
        token: sent as the password of HTTP Basic, if the registry asks for one.
        timeout: seconds to wait for an answer.

    Raises:
        BadInputError: the address is none.
    """

    def __init__(self, address: str, *, token: str | None = None, timeout: float = 10.0) -> None:
        parts = urlsplit(address)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise BadInputError(
                "is no address of a registry.",
                field="registry",
                value=address,
                remedy="Write http://host:port/path, for a sidecar http://host:port/api/contracts.",
            )
        self._address, self._parts, self._timeout = address, parts, timeout
        self._headers = {"Content-Type": _MEDIA, "Accept": f"{_MEDIA}, application/json"}
        if token is not None:
            told = b64encode(f"maestro:{token}".encode()).decode()
            self._headers["Authorization"] = f"Basic {told}"

    def versions(self, subject: str) -> list[int]:
        """Numbers of a subject's versions, the oldest first; empty when there is no such subject.

        Raises:
            PortError: the registry does not answer, or refuses.
        """
        try:
            found: list[int] = self._ask("GET", f"/subjects/{quote(subject, safe='')}/versions")
        except ConflictError:
            return []
        return found

    def schema(self, subject: str, version: int) -> SchemaText:
        """A version's schema.

        Raises:
            ConflictError: it is not there.
            PortError: the registry does not answer, or refuses.
        """
        told = self._ask("GET", f"/subjects/{quote(subject, safe='')}/versions/{version}")
        references = tuple(msgspec.convert(told.get("references") or [], list[Reference]))
        return SchemaText(told["schema"], told.get("schemaType") or "AVRO", references)

    def references(self, text: SchemaText) -> dict[str, bytes]:
        """The texts that a schema uses, each after those it uses itself."""
        found: dict[str, bytes] = {}
        for each in text.references:
            used = self.schema(each.subject, each.version)
            found |= self.references(used)
            found.setdefault(each.name, used.schema.encode())
        return found

    def mode(self, subject: str) -> str:
        """The compatibility mode that holds for a subject.

        Raises:
            PortError: the registry does not answer, or refuses.
        """
        told = self._ask("GET", f"/config/{quote(subject, safe='')}?defaultToGlobal=true")
        return str(told["compatibilityLevel"])

    def register(self, subject: str, text: SchemaText, *, normalize: bool = False) -> Mapping[str, Any]:
        """Register a schema; what the registry answers, at least its ``id``.

        Raises:
            ConflictError: ``schema_incompatible``.
            BadInputError: the registry finds it malformed.
            PortError: the registry does not answer, or refuses.
        """
        query = "?normalize=true" if normalize else ""
        path = f"/subjects/{quote(subject, safe='')}/versions{query}"
        told: Mapping[str, Any] = self._ask("POST", path, msgspec.to_builtins(text))
        return told

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        kind = HTTPSConnection if self._parts.scheme == "https" else HTTPConnection
        try:
            with closing(
                kind(self._parts.hostname or "", self._parts.port, timeout=self._timeout)
            ) as connection:
                content = None if body is None else msgspec.json.encode(body)
                connection.request(method, self._parts.path.rstrip("/") + path, content, self._headers)
                response = connection.getresponse()
                status, text = response.status, response.read(_MOST + 1)
        except (OSError, HTTPException, ValueError) as error:
            raise PortError(
                f"The registry at {self._address} does not answer: {error}.",
                code="registry_unreachable",
                remedy="Start it, or correct the address.",
            ) from error
        if status >= 300:
            raise self._refused(status, text)
        return self._read(text)

    def _read(self, text: bytes) -> Any:
        try:
            return loads(text, limit=_MOST, depth=_DEPTH)
        except BadInputError as error:
            raise PortError(
                f"What {self._address} answers is no registry's: {error.message}",
                code="registry_unreachable",
                retry_after=None,
                remedy="Correct the address.",
            ) from error

    def _refused(self, status: int, text: bytes) -> MaestroError:
        told = self._read(text) if text else {}
        message = str(told.get("message", "")) if isinstance(told, Mapping) else ""
        message = message or f"The registry answers {status}."
        if status == 404:
            return ConflictError(message, code="no_such_subject", remedy="Register one first.")
        if status == 409:
            return ConflictError(message, code="schema_incompatible", remedy="See the message.")
        if status == 422:
            return BadInputError(message, code="bad_schema")
        return PortError(
            f"The registry at {self._address} refuses: {message}",
            code="registry_refused",
            retry_after=None,
            remedy="See the message; give it a token with the scope it names.",
        )
