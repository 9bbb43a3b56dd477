"""JSON Web Tokens (OPA's family *tokens*; RFC 7515, 7517, 7518, 7519), on the primitives of ``cryptography``."""

from __future__ import annotations

import base64
import hmac
import re
from typing import Any

import attrs

from maestro.rego.builtins.encoding import as_bytes, base64url_decode, json_unmarshal
from maestro.rego.builtins.keys import KeyFormatError, VerificationKey, jwk_keys, pem_keys, sign, verify
from maestro.rego.builtins.registry import Context, Family, object_, string
from maestro.rego.errors import BuiltinError
from maestro.rego.json_text import read_json, write_json
from maestro.rego.numbers import from_float, is_number, number_text
from maestro.rego.values import compare

__all__ = ["family"]

family = Family()

_CRYPTOGRAPHY = ("cryptography",)
_ALGORITHMS = frozenset(
    [f"{kind}{bits}" for kind in ("RS", "PS", "ES", "HS") for bits in (256, 384, 512)] + ["EdDSA"]
)
_NESTED = 10


@attrs.frozen
class _Token:
    header: str
    payload: str
    signature: str

    @property
    def signed(self) -> bytes:
        return as_bytes(f"{self.header}.{self.payload}")


def _split(value: Any) -> _Token:
    text = string(value, 1)
    if "." not in text:
        raise BuiltinError("encoded JWT had no period separators")
    parts = text.split(".")
    if len(parts) != 3:
        raise BuiltinError(f"encoded JWT must have 3 sections, found {len(parts)}")
    return _Token(*parts)


def _base64url(text: str, what: str = "") -> str:
    try:
        return base64url_decode(text)
    except BuiltinError as error:
        raise BuiltinError(f"{what}{error}") from error


def _object(text: str) -> dict[str, Any]:
    try:
        found = json_unmarshal(text)
    except BuiltinError as error:
        raise BuiltinError(f"invalid JSON: {error}") from error
    if type(found) is not dict:
        raise BuiltinError("decoded JSON type was not an Object")
    return found


def _header(token: _Token) -> dict[str, Any]:
    text = _base64url(token.header, "JWT header had invalid encoding: ")
    try:
        found = _object(text)
    except BuiltinError as error:
        raise BuiltinError(f"bad JWT header: {error}") from error
    if "enc" in found:
        raise BuiltinError("JWT is a JWE object, which is not supported")
    return found


@family.builtin("io.jwt.decode")
def decode(value: Any) -> list[Any]:
    """Header, payload and signature of a token, none of them verified."""
    for _ in range(_NESTED):
        token = _split(value)
        header = _header(token)
        payload = _base64url(token.payload, "JWT payload had invalid encoding: ")
        if header.get("cty") == "JWT":
            value = payload.strip("\"'")
            continue
        signature = _base64url(token.signature, "JWT signature had invalid encoding: ")
        return [header, _object(payload), as_bytes(signature).hex()]
    raise BuiltinError(f"a JWT is nested more than {_NESTED} times")


# ---- signatures ------------------------------------------------------------------------------------------


def _keys(text: str) -> list[VerificationKey]:
    try:
        if text.startswith("-----BEGIN") or "-----BEGIN " in text:
            return pem_keys(text)
        return jwk_keys(_jwks(text), _ALGORITHMS)
    except KeyFormatError as error:
        raise BuiltinError(str(error)) from error


def _jwks(text: str) -> Any:
    try:
        return read_json(text)
    except ValueError as error:
        raise KeyFormatError(f"failed to parse a JWK key (set): {error}") from error


def _named(header: dict[str, Any], name: str) -> str:
    found = header.get(name, "")
    if type(found) is not str:
        raise BuiltinError(f"{name}: must be a string")
    return found


@attrs.frozen
class _Head:
    algorithm: str
    key: str
    content: str
    valid: bool


def _parsed(header: dict[str, Any]) -> _Head:
    critical: list[Any] = []
    if "crit" in header:
        critical = header["crit"]
        if type(critical) is not list:
            raise BuiltinError("crit: must be a list")
        if not critical:
            raise BuiltinError("crit: must be a nonempty list")
    algorithm, kid, _, content = (_named(header, name) for name in ("alg", "kid", "typ", "cty"))
    unknown = set(header) - {"alg", "kid", "typ", "cty", "crit"}
    needed = {name for name in critical if type(name) is str}
    return _Head(algorithm, kid, content, bool(algorithm) and not unknown & needed)


def _verified(
    keys: list[VerificationKey], head: _Head, algorithm: str, signed: bytes, signature: bytes
) -> bool:
    """By the key that the header names, else by any that its own algorithm does not rule out."""
    if head.key:
        for one in keys:
            if one.kid == head.key:
                return verify(one.key, algorithm, signed, signature)
    fitting = (one for one in keys if not one.algorithm or one.algorithm == head.algorithm)
    return any(verify(one.key, algorithm, signed, signature) for one in fitting)


def _declare(algorithm: str) -> None:
    def check(token: Any, key: Any) -> bool:
        found = _split(token)
        keys = _keys(string(key, 2))
        signature = as_bytes(_base64url(found.signature))
        head = _parsed(_header(found))
        return _verified(keys, head, algorithm, found.signed, signature)

    check.__doc__ = f"Whether a certificate, public key or JWK set verifies a token's {algorithm} signature."
    family.builtin(f"io.jwt.verify_{algorithm.lower()}", modules=_CRYPTOGRAPHY)(check)


for _name in sorted(_ALGORITHMS):
    if not _name.startswith("HS"):
        _declare(_name)


def _declare_secret(bits: str) -> None:
    def check(token: Any, secret: Any) -> bool:
        found, key = _split(string(token, 1)), as_bytes(string(secret, 2))
        signature = as_bytes(_base64url(found.signature))
        return hmac.compare_digest(signature, hmac.digest(key, found.signed, f"sha{bits}"))

    check.__doc__ = f"Whether a secret verifies a token's HS{bits} signature."
    family.builtin(f"io.jwt.verify_hs{bits}")(check)


for _name in ("256", "384", "512"):
    _declare_secret(_name)


# ---- decoding and verifying in one -----------------------------------------------------------------------


@attrs.define
class _Constraints:
    keys: list[VerificationKey] | None = None
    secret: str = ""
    alg: str = ""
    iss: str = ""
    aud: str = ""
    seconds: float = -1.0


def _constraints(context: Context, given: dict[Any, Any]) -> _Constraints:
    found = _Constraints()
    time: Any = context.now_ns
    for name, value in given.items():
        if name == "time":
            time = value
        elif name not in {"cert", "secret", "alg", "iss", "aud"}:
            raise BuiltinError(f"unknown token validation constraint: {name}")
        elif type(value) is not str:
            raise BuiltinError(f"{name} constraint: must be a string")
        elif name == "cert":
            found.keys = _keys(value)
        else:
            setattr(found, name, value)
    if found.keys is not None and found.secret:
        raise BuiltinError("duplicate key constraints")
    if found.keys is None and not found.secret:
        raise BuiltinError("no key constraint")
    found.seconds = _seconds(time)
    return found


def _seconds(time: Any) -> float:
    if not is_number(time):
        raise BuiltinError("token time constraint: must be a number")
    if time < 0:
        raise BuiltinError("token time constraint: must not be negative")
    return float(number_text(time)) / 1e9


def _trusted(constraints: _Constraints, head: _Head, token: _Token, signature: bytes) -> bool:
    if constraints.keys is not None:
        return _verified(constraints.keys, head, head.algorithm, token.signed, signature)
    return verify(as_bytes(constraints.secret), head.algorithm, token.signed, signature)


@family.builtin("io.jwt.decode_verify", context=True, depends={"now"}, modules=_CRYPTOGRAPHY)
def decode_verify(context: Context, value: Any, given: Any) -> list[Any]:
    """Whether a token's signature, issuer, audience and times hold; header and payload if they do."""
    constraints = _constraints(context, object_(given, 2))
    for _ in range(_NESTED):
        token = _split(value)
        header = _header(token)
        head = _parsed(header)
        if not head.valid or constraints.alg not in {"", head.algorithm}:
            return [False, {}, {}]
        signature = as_bytes(_base64url(token.signature))
        if not _trusted(constraints, head, token, signature):
            return [False, {}, {}]
        payload = _base64url(token.payload, "JWT payload had invalid encoding: ")
        if head.content.lower() == "jwt":
            value = payload
            continue
        claims = _object(payload)
        return [True, header, claims] if _claims_hold(constraints, claims) else [False, {}, {}]
    raise BuiltinError(f"a JWT is nested more than {_NESTED} times")


def _claims_hold(constraints: _Constraints, claims: dict[str, Any]) -> bool:
    if constraints.iss and claims.get("iss") != constraints.iss:
        return False
    if "aud" in claims:
        audience = claims["aud"] if type(claims["aud"]) is list else [claims["aud"]]
        if constraints.aud not in [one for one in audience if type(one) is str]:
            return False
    elif constraints.aud:
        return False
    now = from_float(constraints.seconds)
    for name, order in (("exp", (0, 1)), ("nbf", (-1,))):
        if name in claims:
            if not is_number(claims[name]):
                raise BuiltinError(f"{name} value must be a number")
            if compare(now, claims[name]) in order:
                return False
    return True


# ---- signing ---------------------------------------------------------------------------------------------


@family.builtin("io.jwt.encode_sign", depends={"random"}, modules=_CRYPTOGRAPHY)
def encode_sign(headers: Any, payload: Any, key: Any) -> str:
    """A token of a header, a payload and a key in JWK form."""
    return _encoded(write_json(headers), write_json(payload), write_json(key))


@family.builtin("io.jwt.encode_sign_raw", depends={"random"}, modules=_CRYPTOGRAPHY)
def encode_sign_raw(headers: Any, payload: Any, key: Any) -> str:
    """A token of a header, a payload and a key, each JSON text."""
    jwk = string(key, 3)
    return _encoded(string(headers, 1), string(payload, 2), jwk)


def _algorithm(headers: str) -> tuple[str, str | None]:
    """The header's ``alg``, and its ``typ`` if it has one."""
    why = "missing or invalid 'alg' header: "
    try:
        # The parser that OPA uses here takes any run of a number's characters for a number.
        found = None if re.fullmatch("[-+.0-9eE]+", headers) else read_json(headers)
    except ValueError as error:
        empty = ": cannot parse empty string" if not headers else f": {error}"
        raise BuiltinError(f"{why}cannot parse JSON{empty}") from error
    name = found.get("alg") if type(found) is dict else None
    if type(name) is not str:
        raise BuiltinError(f'{why}jwsbb: header "alg" not found')
    if name not in _ALGORITHMS:
        raise BuiltinError(f"unknown JWS algorithm: {name}")
    kind = found.get("typ") if type(found) is dict else None
    return name, kind if type(kind) is str else None


def _encoded(headers: str, payload: str, jwk: str) -> str:
    try:
        keys = jwk_keys(_jwks(jwk), None)
    except KeyFormatError as error:
        raise BuiltinError(str(error)) from error
    if not keys:
        raise BuiltinError("no keys found in JWK set")
    algorithm, kind = _algorithm(headers)
    if kind in {None, "JWT"}:
        try:
            read_json(payload)
        except ValueError as error:
            raise BuiltinError("type is JWT but payload is not JSON") from error
    signed = f"{_text(as_bytes(headers))}.{_text(as_bytes(payload))}"
    try:
        signature = sign(keys[0].key, algorithm, signed.encode())
    except KeyFormatError as error:
        raise BuiltinError(str(error)) from error
    return f"{signed}.{_text(signature)}"


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
