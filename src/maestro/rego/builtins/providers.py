"""Signed requests for AWS (``providers.aws.sign_req``): Signature Version 4, by nothing but HMAC."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from maestro.rego.builtins.encoding import as_bytes
from maestro.rego.builtins.registry import Family, number, object_, operand_error, operand_fault
from maestro.rego.errors import BuiltinError
from maestro.rego.golang.layouts import Moment, format_moment
from maestro.rego.golang.urls import Url, parse_url
from maestro.rego.json_text import write_json
from maestro.rego.rendering import render
from maestro.rego.values import unkey

__all__ = ["family"]

family = Family()

_CONFIG = frozenset({"aws_service", "aws_access_key", "aws_secret_access_key", "aws_region"})
_REQUEST = frozenset({"method", "url"})
_ALLOWED = _REQUEST | {
    "body",
    "enable_redirect",
    "force_json_decode",
    "force_yaml_decode",
    "headers",
    "raw_body",
    "tls_use_system_certs",
    "tls_ca_cert",
    "tls_ca_cert_file",
    "tls_ca_cert_env_variable",
    "tls_client_cert",
    "tls_client_cert_file",
    "tls_client_cert_env_variable",
    "tls_client_key",
    "tls_client_key_file",
    "tls_client_key_env_variable",
    "tls_insecure_skip_verify",
    "tls_server_name",
    "timeout",
    "cache",
    "force_cache",
    "force_cache_duration_seconds",
    "raise_error",
    "caching_mode",
    "max_retry_attempts",
    "cache_ignored_headers",
}
_UNSIGNED = frozenset({"authorization", "user-agent", "x-amzn-trace-id"})


def _expect(position: int, given: dict[Any, Any], wanted: frozenset[str], what: str, values: str) -> None:
    if missing := wanted - set(given):
        raise operand_fault(position, f"missing required {what} parameters(s): {render(set(missing))}")
    if wrong := {name for name in wanted if type(given[name]) is not str}:
        raise operand_fault(position, f"invalid values for required {values} parameters(s): {render(wrong)}")


def _body(request: dict[Any, Any]) -> bytes:
    if "raw_body" in request:
        raw = request["raw_body"]
        return as_bytes(raw) if type(raw) is str else b""
    return write_json(request["body"]).encode() if "body" in request else b""


def _text(value: Any) -> str:
    return value if type(value) is str else ""


@family.builtin("providers.aws.sign_req")
def sign_req(request: Any, config: Any, time_ns: Any) -> dict[Any, Any]:
    """The request with the headers of AWS Signature Version 4."""
    asked, given = object_(request, 1), object_(config, 1)
    _expect(2, given, _CONFIG, "AWS config", "AWS config")
    moment = number(time_ns, 1)
    if type(moment) is not int or not -(1 << 63) <= moment < 1 << 63:
        raise operand_fault(3, "could not convert time_ns value into a unix timestamp")
    if unknown := {name for name in asked if name not in _ALLOWED}:
        raise operand_fault(1, f"invalid request parameters(s): {render(unknown)}")
    if missing := _REQUEST - set(asked):
        raise operand_fault(1, f"missing required request parameters(s): {render(set(missing))}")
    headers = asked.get("headers", {})
    if type(headers) is not dict:
        raise operand_error(0, headers, "object")
    _expect(1, asked, _REQUEST, "request", "request")
    unsigned_payload = given.get("disable_payload_signing", False)
    try:
        url = parse_url(asked["url"])
    except ValueError as error:
        raise BuiltinError(str(error)) from error
    if type(unsigned_payload) is not bool:
        raise operand_fault(2, "invalid value for 'disable_payload_signing' in AWS config")
    plain = {_text(unkey(name)): _text(value) for name, value in headers.items()}
    payload = "UNSIGNED-PAYLOAD" if unsigned_payload else hashlib.sha256(_body(asked)).hexdigest()
    added = _signed(plain, asked["method"], url, payload, given, Moment(moment))
    return {**asked, "headers": {**plain, **added}}


def _signed(
    headers: dict[str, str], method: str, url: Url, payload: str, config: dict[Any, Any], moment: Moment
) -> dict[str, str]:
    """The headers to add, ``Authorization`` among them."""
    service, region, secret = (
        config[name] for name in ("aws_service", "aws_region", "aws_secret_access_key")
    )
    day, instant = format_moment(moment, "20060102"), format_moment(moment, "20060102T150405Z")
    added = {"host": url.host, "x-amz-date": instant}
    if service in {"s3", "glacier"}:
        added["x-amz-content-sha256"] = payload
    if token := _text(config.get("aws_session_token")):
        added["x-amz-security-token"] = token
    signed = added | {name.lower(): value for name, value in headers.items() if name.lower() not in _UNSIGNED}
    names = sorted(signed)
    canonical = "\n".join(
        [
            method,
            url.escaped_path,
            url.raw_query,
            *[f"{name}:{signed[name]}" for name in names],
            "",
            ";".join(names),
            payload,
        ]
    )
    scope = f"{day}/{region}/{service}/aws4_request"
    digest = hashlib.sha256(as_bytes(canonical)).hexdigest()
    key = as_bytes("AWS4" + secret)
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, as_bytes(part), "sha256")
    signature = hmac.digest(key, as_bytes(f"AWS4-HMAC-SHA256\n{instant}\n{scope}\n{digest}"), "sha256").hex()
    credential = f"{config['aws_access_key']}/{scope}"
    added["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credential},SignedHeaders={';'.join(names)},Signature={signature}"
    )
    return added
