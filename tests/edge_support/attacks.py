"""Attacks on a bundle's way to the edge: each an archive that a mirror, a thief or a careless publisher could serve.

Each is made for a root of its own, so that one real OPA can be given all of them at once. `opa` is what OPA 1.22.2 did
when tests/edge/test_attacks.py served it, with its own signature verification on; that test holds it to be so still.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from datetime import timedelta

import attrs

from edge_support.bundles import (
    AT,
    HOUR,
    b64,
    bundle,
    packed,
    pair,
    payload_of,
    seconds,
    signed_payload,
    signing_key,
    token_of,
    trusted,
    with_tokens,
)
from maestro.edge.verify import Expected, verify_archive
from maestro.formats import jws
from maestro.formats.opa_bundle import SIGNATURES, digest, gzipped
from maestro.formats.opa_structured import hashed_bytes

SERVED = 7
"""Revision that both serve before each attack."""


def good(root, revision=SERVED, **data):
    """An honest bundle's files."""
    return {
        ".manifest": json.dumps({"revision": str(revision), "roots": [root]}).encode(),
        f"{root}/data.json": json.dumps({"users": ["ann"], **data}).encode(),
        f"{root}/policy.rego": f"package {root}.rules\n\nallow if input.user in data.{root}.users\n".encode(),
    }


@attrs.frozen
class Attack:
    """What is served in place of the honest bundle.

    `opa`: whether OPA activates it. `also`: what OPA's operator configured to let it.
    """

    title: str
    make: Callable[[str], bytes]
    reason: str
    opa: bool
    also: str = ""


def evil(root, **changes):
    """The next revision, with what the attacker wants."""
    return good(root, 8, users=["ann", "eve"], **changes)


def replaced(root, change):
    """A signed bundle whose files are then changed."""
    files = bundle(good(root, 8))
    change(files)
    return packed(files)


def set_file(name, content):
    return lambda root: replaced(root, lambda files: files.update({name.format(root): content}))


def entries(root, *extra, files=None):
    """An archive of a signed bundle with further entries, names as they stand."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in [*(files or bundle(evil(root))).items(), *extra]:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return gzipped(out.getvalue())


def link(root):
    info = tarfile.TarInfo(f"{root}/secrets")
    info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return entries(root, (info, b""))


def weak(name, function):
    def make(root):
        files = evil(root)
        listed = [
            {
                "name": each,
                "hash": hashlib.new(function, hashed_bytes(each, content)).hexdigest(),
                "algorithm": name,
            }
            for each, content in files.items()
        ]
        return packed(with_tokens(files, signed_payload({"files": listed})))

    return make


def header_says(algorithm, sign):
    """A token over the evil content whose header names another algorithm."""

    def make(root):
        files = bundle(evil(root))
        head = b64(json.dumps({"alg": algorithm, "kid": "default"}).encode())
        body = b64(json.dumps(payload_of(files)).encode())
        return packed(with_tokens(files, f"{head}.{body}.{b64(sign(f'{head}.{body}'.encode()))}"))

    return make


def hmac_by_public_key(message):
    return jws.SigningKey("HS256", trusted().key, pair()[1]).sign(message)


def without(name):
    return lambda root: replaced(root, lambda files: files.pop(name.format(root)))


def delta_bundle(root):
    patch = {"data": [{"op": "upsert", "path": f"/{root}/users", "value": ["eve"]}]}
    return packed({".manifest": good(root, 8)[".manifest"], "patch.json": json.dumps(patch).encode()})


def stolen(root):
    """The covered file twice, changed the second time."""
    files = bundle(good(root, 8))
    return entries(root, (f"{root}/data.json", b'{"users":["eve"]}'), files=files)


def two_readings(root):
    """A manifest with revision and Revision: Go's decoder takes the later, whatever its case."""
    manifest = f'{{"revision":"8","roots":["{root}"],"Revision":"6"}}'.encode()
    return packed(bundle(evil(root) | {".manifest": manifest}))


def covered(hashed):
    """A token over these files' hashed bytes, whatever they are."""
    listed = [
        {"name": name, "hash": hashlib.sha256(content).hexdigest(), "algorithm": "SHA-256"}
        for name, content in hashed.items()
    ]
    return signed_payload({"files": listed})


def twice_in_data(root):
    """The same key twice in signed data: reviewers may see the first, engines the last."""
    files, data = evil(root), f"{root}/data.json"
    hashed = {name: hashed_bytes(name, content) for name, content in files.items()}
    token = covered(hashed | {data: b'{"users":["eve"]}'})
    return packed(with_tokens(files | {data: b'{"users":["ann"],"users":["eve"]}'}, token))


def outside(root):
    """Signed under a name that is no name inside a bundle; our publisher would not."""
    files = evil(root) | {f"../{root}/x.txt": b"x"}
    return with_tokens(files, covered({name: hashed_bytes(name, content) for name, content in files.items()}))


ATTACKS = (
    Attack("An older revision, properly signed, served again (rollback)", lambda root: packed(bundle(good(root, 3))), "revision_rollback", True),
    Attack("The same revision with other content, properly signed", lambda root: packed(bundle(good(root, 7, users=["eve"]))), "revision_content_mismatch", True),
    Attack("A signature whose `exp` has passed", lambda root: packed(bundle(evil(root), exp=seconds(AT - HOUR))), "expired", True),
    Attack("A signature whose `nbf` has not come", lambda root: packed(bundle(evil(root), nbf=seconds(AT + timedelta(days=9000)))), "not_yet_valid", True),
    Attack("The signature taken out", without(SIGNATURES), "signature_missing", False),
    Attack("An empty list of signatures", lambda root: packed(with_tokens(evil(root))), "signature_count", False),
    Attack("Two signatures, one of them good", lambda root: packed(with_tokens(bundle(evil(root)), token_of(bundle(evil(root))), "x.y.z")), "signature_count", False),
    Attack("Changed data", set_file("{}/data.json", b'{"users":["eve"]}'), "file_altered", False),
    Attack("Changed policy", lambda root: replaced(root, lambda files: files.update({f"{root}/policy.rego": f"package {root}.rules\n\nallow := true\n".encode()})), "file_altered", False),
    Attack("A policy more, not signed", lambda root: replaced(root, lambda files: files.update({f"{root}/more.rego": f"package {root}.more\n".encode()})), "file_not_covered", False),
    Attack("A policy more that `exclude_files` names", lambda root: replaced(root, lambda files: files.update({"excluded.rego": f"package {root}.more\n".encode()})), "file_not_covered", True, "exclude_files"),
    Attack("`x.signatures.json` beside the signature, not signed (OPA #9300)", set_file("x.signatures.json", b"{}"), "file_not_covered", False),
    Attack("A second `.signatures.json` in a folder", set_file("{}/.signatures.json", b"{}"), "signatures_second", False),
    Attack("A signed file taken out", without("{}/policy.rego"), "file_missing", False),
    Attack("Signed by a key that nobody configured", lambda root: packed(bundle(evil(root), signing_key(name="thief"), "thief")), "key_unknown", False),
    Attack("Signed by another key in the name of the configured one", lambda root: packed(bundle(evil(root), signing_key(name="thief"))), "signature_invalid", False),
    Attack("A header that says `alg: none`, without signature", header_says("none", lambda _: b""), "signature_algorithm", False),
    Attack("A header that says HS256, signed with the public key as secret", header_says("HS256", hmac_by_public_key), "signature_algorithm", False),
    Attack("A header that says `alg: none` over a good signature", header_says("none", lambda message: signing_key().sign(message)), "signature_algorithm", True),
    Attack("Files covered by MD5", weak("MD5", "md5"), "hash_weak", True),
    Attack("Files covered by SHA-1", weak("SHA-1", "sha1"), "hash_weak", True),
    Attack("A signature for another scope", lambda root: packed(bundle(evil(root), scope="staging")), "scope_mismatch", False),
    Attack("An OPA delta, which cannot be signed", delta_bundle, "delta_in_bundle", False),
    Attack("A second manifest in a folder, signed", lambda root: packed(bundle(evil(root) | {f"{root}/.manifest": b'{"revision":"9","roots":["x"]}'})), "manifest_second", False),
    Attack("A manifest with `revision` and `Revision`, signed", two_readings, "manifest_malformed", True),
    Attack("A key twice in signed data", twice_in_data, "data_malformed", True),
    Attack("A covered file twice in the archive, changed the second time", stolen, "entry_duplicate", False),
    Attack("A signed file whose name leaves the bundle (`../`)", lambda root: entries(root, files=outside(root)), "entry_name", True),
    Attack("A symbolic link to a file of the machine", link, "entry_link", True),
    Attack("Another archive after the end of this one", lambda root: packed(bundle(evil(root))) + packed(bundle(good(root, 9))), "archive_trailing", True),
    Attack("An archive cut short", lambda root: packed(bundle(evil(root)))[:-20], "archive_truncated", False),
    Attack("A root more than this source may claim, signed", lambda root: packed(bundle(evil(root) | {".manifest": json.dumps({"revision": "8", "roots": [root, f"{root}_other"]}).encode()})), "root_not_allowed", True),
)  # fmt: skip


def root_of(number):
    return f"t{number:02}"


def judge(attack, root):
    """Our verdict, as an edge that serves the honest bundle gives it."""
    expected = Expected(
        min_revision=SERVED, revision_digest=digest(bundle(good(root))), roots=[root], scope=""
    )
    return verify_archive(attack.make(root), [trusted()], at=AT, expected=expected)
