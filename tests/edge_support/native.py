"""Bundles of limits, as native limits run them, published into a folder."""

import json
from datetime import UTC, datetime

from edge_support.bundles import bundle, packed, pair

LIMITS = {"acme": {"maxConcurrent": 2, "packageCaps": {"ns/a": 1}}, "closed": {"allowedWindows": []}}


def native_files(revision, documents=None):
    manifest = {"revision": str(revision), "roots": ["mc"]}
    data = {"mc": {"documents": LIMITS if documents is None else documents}}
    return {".manifest": json.dumps(manifest).encode(), "data.json": json.dumps(data).encode()}


def publish(place, revision, documents=None, *, issued=None, **claims):
    """Put a signed bundle there, whole at once."""
    iat = int((issued or datetime.now(UTC)).timestamp())
    content = packed(bundle(native_files(revision, documents), iat=iat, **claims))
    write(place, content)
    return content


def write(place, content):
    fresh = place.with_name(place.name + ".part")
    fresh.write_bytes(content)
    fresh.replace(place)


def edge_table(folder, **more):
    """``[edge]`` that fetches ``bundle.tar.gz`` of a folder and trusts the tests' key."""
    key = folder / "key.pem"
    key.write_bytes(pair()[1])
    return {
        "node": "n1",
        "state": str(folder / "edge"),
        "source": {"path": str(folder / "bundle.tar.gz")},
        "keys": [{"file": str(key), "id": "default"}],
        "pollSeconds": 0.2,
        "rapidSeconds": 0.05,
        **more,
    }
