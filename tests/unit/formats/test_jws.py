"""Keys and tokens: a key decides its algorithm, and what is no proper key is refused where it is configured."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from maestro import BadInputError
from maestro.formats import jws


def pem(key):
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: jws.parse_public_key(b"rubbish"), "no public key"),
        (lambda: jws.parse_public_key(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "no public key"),
        (lambda: jws.parse_public_key(jws.generate_pem("ES256")[0]), "private key"),
        (lambda: jws.parse_public_key(jws.generate_pem("ES256")[1], "RS256"), "fit"),
        (lambda: jws.parse_public_key(jws.generate_pem("ES256")[1], "HS256"), "fit"),
        (lambda: jws.parse_public_key(jws.generate_pem("ES384")[1], "ES256"), "fit"),
        (lambda: jws.parse_public_key(pem(ed25519.Ed25519PrivateKey.generate().public_key())), "kind"),
        (lambda: jws.parse_public_key(pem(ec.generate_private_key(ec.SECP256K1()).public_key())), "kind"),
        (lambda: jws.parse_public_key(pem(rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key())), "kind"),
        (lambda: jws.parse_private_key(b"rubbish"), "no private key"),
        (lambda: jws.parse_secret(b"short", "HS256"), "5 bytes"),
        (lambda: jws.parse_secret(b"x" * 64, "ES256"), "not used"),
        (lambda: jws.parse_secret(jws.generate_pem("ES256")[1], "HS256"), "PEM"),
        (lambda: jws.generate_pem("HS256"), "cannot"),
    ],
)  # fmt: skip
def test_what_is_no_key_for_this_is_refused(call, match):
    with pytest.raises(BadInputError, match=match) as caught:
        call()
    assert caught.value.code == "bad_key"
    assert caught.value.remedy


@pytest.mark.parametrize("algorithm", ["ES256", "ES512", "RS256", "PS384"])
def test_a_signature_is_of_one_key_one_algorithm_and_one_message(algorithm):
    private, public = jws.generate_pem(algorithm)
    signer, key = jws.parse_private_key(private, algorithm), jws.parse_public_key(public, algorithm)
    assert key.fingerprint == signer.public.fingerprint
    assert key.algorithm == algorithm
    signature = signer.sign(b"message")
    assert key.verifies(b"message", signature)
    assert not key.verifies(b"massage", signature)
    assert not key.verifies(b"message", signature[:-1])
    assert not key.verifies(b"message", b"")
    assert not key.verifies(b"message", bytes(len(signature)))


def test_the_default_algorithms_are_the_curves_and_opas_for_rsa():
    for name in ("ES256", "ES384", "ES512", "RS256"):
        assert jws.parse_public_key(jws.generate_pem(name)[1]).algorithm == name


def test_a_certificate_holds_a_key_too():
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256

    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "publisher")])
    now = datetime(2026, 1, 1, tzinfo=UTC)
    made = x509.CertificateBuilder(name, name, private.public_key(), 1, now, now + timedelta(days=1))
    certificate = made.sign(private, SHA256()).public_bytes(Encoding.PEM)
    assert jws.parse_public_key(certificate).fingerprint == jws.parse_public_key(pem(private.public_key())).fingerprint  # fmt: skip


def test_a_key_shows_nothing_of_itself():
    secret = jws.parse_secret(b"secret-" * 10, "HS256")
    assert "secret-" not in repr(secret)
