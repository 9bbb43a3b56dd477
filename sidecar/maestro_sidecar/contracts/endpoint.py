"""The registry's manners: its media type, its error body, HTTP Basic with the token as password."""

from __future__ import annotations

import base64
import binascii
from typing import Any, Final

import msgspec

from maestro.formats import problems
from maestro.kernel.errors import MaestroError, PortError
from maestro.lake.contracts.registry.reasons import FIELD_CODES
from maestro_sidecar.contracts.bodies import Fault
from maestro_sidecar.endpoint import Endpoint
from maestro_sidecar.messages import Answer, Request, problem_answer

__all__ = ["MEDIA_TYPE", "ContractEndpoint", "registry_answer"]

MEDIA_TYPE: Final = "application/vnd.schemaregistry.v1+json"
_BODY: Final = 1024 * 1024
"""Bytes of a schema that is sent: what fits a message of the field's own store."""
_STORE_FAULT: Final = 50001
_ENCODER = msgspec.json.Encoder()


def registry_answer(value: Any, status: int = 200) -> Answer:
    """An answer in the registry's media type."""
    return Answer(status, _ENCODER.encode(value), ((b"content-type", MEDIA_TYPE.encode()),))


class ContractEndpoint(Endpoint):
    """One path of the registry's API."""

    most_bytes = _BODY

    def refusal(self, error: MaestroError) -> Answer:
        """The registry's error body in place of a problem; headers stay."""
        status, code = _numbers(error)
        headers = [pair for pair in problem_answer(error).headers if pair[0] != b"content-type"]
        if status == 401:
            headers.append((b"www-authenticate", b'Basic realm="maestro"'))
        answer = registry_answer(Fault(code, str(error)), status)
        return Answer(status, answer.body, (*answer.headers, *headers))

    def failure(self, request_id: str) -> Answer:
        """What is told of a defect."""
        fault = Fault(
            500, f"The sidecar failed; the fault is ours. Report it with the request id {request_id}."
        )
        return registry_answer(fault, 500)

    def authorization(self, request: Request) -> bytes | None:
        """The token, also when it came as the password of HTTP Basic (RFC 7617); the user name says nothing."""
        given = request.header(b"authorization")
        scheme, _, credentials = (given or b"").partition(b" ")
        if scheme.lower() != b"basic":
            return given
        try:
            _, _, password = base64.b64decode(credentials.strip(), validate=True).partition(b":")
        except binascii.Error:
            return b""
        return b"Bearer " + password

    def accepts(self, request: Request) -> bool:  # noqa: ARG002 - the same answer to all
        """Clients name media types of several versions; there is one answer."""
        return True


def _numbers(error: MaestroError) -> tuple[int, int]:
    """HTTP status and the field's code of an error."""
    if error.code in FIELD_CODES:
        return FIELD_CODES[error.code][:2]
    status = getattr(error, "status", None) or problems.problem_of(error)["status"]
    if isinstance(error, PortError):
        return status, _STORE_FAULT
    return status, status
