"""The log proofs of sigstore-conformance: real and forged inclusion proofs and checkpoints of Rekor logs.

Only the log's part of a bundle is judged. A case that its authors call a failure for another reason (a certificate, a
timestamp, a signature over the artifact) has a good log proof, and must pass here.
"""

import base64
import json
from hashlib import sha256

import attrs
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from maestro.audit import LogKey, leaf_hash, open_checkpoint, parse_checkpoint, parse_note, verify_inclusion
from maestro.kernel.errors import UntrustedError

pytestmark = pytest.mark.outside(data="sigstore-conformance")

LOG_FAULTS = {
    # These two forge the entry itself, so it is no longer the one that was logged.
    "bundle-invalid-base64-signature_fail": "bad_proof",
    "incorrect-public-key_fail": "bad_proof",
    "checkpoint-bad-keyhint_fail": "wrong_key",
    "checkpoint-wrong-roothash_fail": "bad_proof",
    "inclusion-proof-corrupted-hash_fail": "bad_proof",
    "invalid-checkpoint-signature_fail": "bad_signature",
    "rekor2-checkpoint-missing-log-signature_fail": "bad_note",
    "rekor2-checkpoint-missing-origin_fail": "bad_note",
    "rekor2-checkpoint-missing-root-hash_fail": "bad_note",
    "rekor2-checkpoint-missing-size_fail": "bad_note",
    "rekor2-checkpoint-no-matching-signature_fail": "wrong_log",
}
OF_OLD_REKOR_WITHOUT_CHECKPOINT = {
    "bundle-empty-certificate-chain_fail",  # its proof was cut to one hash, too
    "bundle-with-root-cert_fail",
    "invalid-inclusion-proof_fail",
}
WITHOUT_PROOF = {
    "bundle-malformed-json_fail",
    "bundle-negative-log-index_fail",
    "bundle-unknown-version_fail",
    "intoto-missing-inclusion-proof_fail",
    "rekor2-no-inclusion-proof_fail",
}


@attrs.frozen
class EcdsaKey:
    """What Rekor v1 signs checkpoints with; its key id is that of the key alone (signed-note, type 0x02)."""

    name: str
    public: EllipticCurvePublicKey

    @property
    def key_id(self):
        der = self.public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return sha256(der).digest()[:4]

    def verifies(self, text, signature):
        try:
            self.public.verify(signature, text, ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True


def log_keys(folder):
    """The keys of all logs that the cases' trust roots name, by the log's id."""
    found = {}
    for path in sorted(folder.glob("*/trusted_root.json")):
        for log in json.loads(path.read_text())["tlogs"]:
            name = log["baseUrl"].partition("://")[2]
            key = load_der_public_key(base64.b64decode(log["publicKey"]["rawBytes"]))
            own = (
                EcdsaKey(name, key)
                if isinstance(key, EllipticCurvePublicKey)
                else LogKey(name, key.public_bytes_raw())
            )
            found[log["logId"]["keyId"]] = own
    return found


def judge(entry, keys):
    """Verify the checkpoint and that the entry is under it: None, or the code of the fault."""
    proof = entry["inclusionProof"]
    note = proof["checkpoint"]["envelope"].encode()
    key = keys[entry["logId"]["keyId"]]
    try:
        said = parse_checkpoint(parse_note(note).text).origin
        # Rekor v1 appends the number of a tree to the name of its key.
        origin = said if said.startswith(f"{key.name} - ") else None
        checkpoint = open_checkpoint(note, key, origin=origin)
        leaf = leaf_hash(base64.b64decode(entry["canonicalizedBody"]))
        hashes = [base64.b64decode(each) for each in proof.get("hashes", ())]
        verify_inclusion(leaf, int(proof["logIndex"]), checkpoint.head, hashes)
    except UntrustedError as error:
        return error.code
    return None


def test_log_ids_of_ed25519_logs_are_note_key_ids(outside_data):
    keys = log_keys(outside_data / "sigstore-conformance" / "bundle-verify")
    same = [base64.b64decode(log).startswith(key.key_id) for log, key in keys.items()]
    assert len(same) >= 8
    assert all(same)


def test_every_log_proof_is_judged_as_its_authors_say(outside_data):
    folder = outside_data / "sigstore-conformance" / "bundle-verify"
    keys, found, skipped = log_keys(folder), {}, set()
    for path in sorted(folder.glob("*/bundle.sigstore.json")):
        try:
            entries = json.loads(path.read_text())["verificationMaterial"]["tlogEntries"]
        except json.JSONDecodeError:
            entries = []
        proved = [entry for entry in entries if entry.get("inclusionProof", {}).get("checkpoint")]
        if not proved:
            skipped.add(path.parent.name)
        for entry in proved:
            found[path.parent.name] = judge(entry, keys)
    assert {name: code for name, code in found.items() if code} == LOG_FAULTS
    assert skipped == WITHOUT_PROOF | OF_OLD_REKOR_WITHOUT_CHECKPOINT
    assert len(found) - len(LOG_FAULTS) >= 50


def test_a_good_proof_with_one_bit_flipped_is_refused(outside_data):
    folder = outside_data / "sigstore-conformance" / "bundle-verify"
    keys = log_keys(folder)
    text = (folder / "happy-path-v0.3" / "bundle.sigstore.json").read_text()
    entry = json.loads(text)["verificationMaterial"]["tlogEntries"][0]
    assert judge(entry, keys) is None
    proof = entry["inclusionProof"]
    for number, encoded in enumerate(proof["hashes"]):
        flipped = bytearray(base64.b64decode(encoded))
        flipped[number % 32] ^= 1
        hashes = [*proof["hashes"]]
        hashes[number] = base64.b64encode(flipped).decode()
        assert judge({**entry, "inclusionProof": {**proof, "hashes": hashes}}, keys) == "bad_proof"
    assert (
        judge({**entry, "inclusionProof": {**proof, "logIndex": int(proof["logIndex"]) - 1}}, keys)
        == "bad_proof"
    )
