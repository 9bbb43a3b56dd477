"""Certificates, chains and keys of every kind, made here and read by both: what OPA says, and so do we."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from rego_cases.test_builtins import compare

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("rego_cases")]

FROM = datetime(2026, 1, 1, tzinfo=UTC)
NOW = 1_774_864_800_000_000_000
KEYS = {
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
    "dsa": lambda: dsa.generate_private_key(2048),
    "p256": lambda: ec.derive_private_key(7, ec.SECP256R1()),
    "p384": lambda: ec.derive_private_key(8, ec.SECP384R1()),
    "ed25519": lambda: ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)),
}


def certificate(key, *, issuer=None, name="leaf", ca=False, usages=(), names=("*.example.org", "host")):
    """A certificate of `key`; `issuer` is a certificate and its key, itself when None."""
    signer = key if issuer is None else issuer[1]
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer[0].subject)
        .public_key(key.public_key())
        .serial_number(77)
        .not_valid_before(FROM)
        .not_valid_after(FROM + timedelta(days=365))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(one) for one in names]), critical=False)
    )
    if usages:
        made = made.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    kind = None if isinstance(signer, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey) else SHA256()
    return made.sign(signer, kind)


def pem(*certificates):
    return "".join(one.public_bytes(Encoding.PEM).decode() for one in certificates)


def private(key, form=PrivateFormat.PKCS8):
    return key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()


def same(oracle, name, *operands):
    assert compare(oracle, name, list(operands)) is None


@pytest.mark.parametrize("kind", KEYS)
def test_a_certificate_of_every_kind_of_key(oracle, kind):
    key = KEYS[kind]()
    if kind == "dsa":  # Go signs nothing with it, and reads it all the same
        authority = KEYS["p256"]()
        one = certificate(key, issuer=(certificate(authority, ca=True), authority))
    else:
        one = certificate(key)
    same(oracle, "crypto.x509.parse_certificates", pem(one))
    same(oracle, "crypto.x509.parse_certificates", base64.b64encode(one.public_bytes(Encoding.DER)).decode())


@pytest.mark.parametrize("kind", ["rsa", "p256", "p384", "ed25519"])
def test_private_keys_and_pairs(oracle, kind):
    key = KEYS[kind]()
    text = private(key)
    same(oracle, "crypto.parse_private_keys", text)
    same(oracle, "crypto.x509.parse_rsa_private_key", text)
    same(oracle, "crypto.x509.parse_keypair", pem(certificate(key)), text)
    same(oracle, "crypto.x509.parse_keypair", pem(certificate(KEYS["p256"]())), private(KEYS["p384"]()))


@pytest.fixture(scope="module")
def chain():
    root, middle, leaf = (ec.derive_private_key(number, ec.SECP256R1()) for number in (11, 12, 13))
    top = certificate(root, name="root", ca=True)
    between = certificate(middle, issuer=(top, root), name="middle", ca=True)
    server = [ExtendedKeyUsageOID.SERVER_AUTH]
    return top, between, certificate(leaf, issuer=(between, middle), usages=server)


OPTIONS = [
    {},
    {"DNSName": "a.example.org"},
    {"DNSName": "HOST"},
    {"DNSName": "elsewhere"},
    {"KeyUsages": ["KeyUsageServerAuth"]},
    {"KeyUsages": ["KeyUsageClientAuth"]},
    {"KeyUsages": ["KeyUsageAny"]},
    {"CurrentTime": NOW + 10**18},
    {"MaxConstraintComparisons": 5},
    {"DNSName": 1},
    {"CurrentTime": "now"},
    {"KeyUsages": "KeyUsageAny"},
    {"KeyUsages": ["KeyUsageMagic"]},
    {"Magic": 1},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_chains_under_every_option(oracle, chain, options):
    name = "crypto.x509.parse_and_verify_certificates_with_options"
    same(oracle, name, pem(*chain), {"CurrentTime": NOW} | options)


def test_chains_that_lead_nowhere(oracle, chain):
    name, at = "crypto.x509.parse_and_verify_certificates_with_options", {"CurrentTime": NOW}
    top, between, leaf = chain
    for order in ((top, leaf), (between, leaf), (leaf, leaf), (top, between), (top,), (leaf, top)):
        same(oracle, name, pem(*order), at)
    same(oracle, name, "nonsense", at)
    stranger = ec.derive_private_key(99, ec.SECP256R1())
    no_authority = certificate(stranger, name="root", ca=False)
    child = certificate(ec.derive_private_key(98, ec.SECP256R1()), issuer=(no_authority, stranger))
    same(oracle, name, pem(no_authority, child), at)


def test_public_keys_in_pem(oracle):
    for kind in ("rsa", "p256", "ed25519"):
        public = KEYS[kind]().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        same(oracle, "crypto.parse_private_keys", public.decode())
