"""Signed bundles for tests, and ways to spoil them."""

import functools
import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta

from maestro.edge.verify import TrustedKey
from maestro.formats import jws
from maestro.formats.opa_bundle import SIGNATURES, canonical_tar, gzipped
from maestro.formats.opa_signature import signed

AT = datetime(2026, 3, 30, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
POLICY = b"package limits\n\nallow if input.user in data.limits.users\n"
FILES = {
    ".manifest": b'{"revision":"7","roots":["limits"]}',
    "limits/data.json": b'{"users":["ann"],"cap":1e3}',
    "limits/limits.rego": POLICY,
}


def pair(algorithm="ES256", name="default"):
    """(private PEM, public PEM), the same for the same name within one run; all RSA algorithms share theirs."""
    return _pair("RS256" if algorithm[1] == "S" and algorithm[0] in "RP" else algorithm, name)


@functools.cache
def _pair(algorithm, name):
    return jws.generate_pem(algorithm)


def signing_key(algorithm="ES256", name="default"):
    return jws.parse_private_key(pair(algorithm, name)[0], algorithm)


def trusted(key_id="default", algorithm="ES256", name="default"):
    return TrustedKey(key_id, signing_key(algorithm, name).public)


def seconds(instant):
    return int(instant.timestamp())


def bundle(files=FILES, key=None, key_id="default", **claims):
    """Files with their signature; claims that are None are left out."""
    claims = {"iat": seconds(AT)} | claims
    claims = {name: value for name, value in claims.items() if value is not None}
    return signed(files, key or signing_key(), key_id, claims)


def packed(files):
    return gzipped(canonical_tar(files))


def revision(number, files=FILES):
    manifest = json.loads(files[".manifest"]) | {"revision": str(number)}
    return files | {".manifest": json.dumps(manifest).encode()}


def token_of(files):
    (token,) = json.loads(files[SIGNATURES])["signatures"]
    return token


def with_tokens(files, *tokens, **more):
    return files | {SIGNATURES: json.dumps({"signatures": list(tokens), **more}).encode()}


def payload_of(files):
    return json.loads(jws.parse_token(token_of(files)).payload)


def signed_payload(payload, key=None, **header):
    """A token over any payload, which may be bytes, with any header."""
    key = key or signing_key()
    head = {"alg": key.algorithm, "kid": "default"} | header
    head = {name: value for name, value in head.items() if value is not None}
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return jws.encode_token(json.dumps(head).encode(), body, key)


def b64(data):
    return urlsafe_b64encode(data).rstrip(b"=").decode()
