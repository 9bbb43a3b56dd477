"""Certificates, requests and keys as Go's ``encoding/json`` writes ``crypto/x509``'s types; by ``cryptography``."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import urlsplit

__all__ = ["certificate_fields", "private_key_fields", "request_fields"]

# x509.SignatureAlgorithm, by object identifier; PSS is told apart by its hash.
_SIGNATURES = {
    "1.2.840.113549.1.1.2": 1,
    "1.2.840.113549.1.1.4": 2,
    "1.2.840.113549.1.1.5": 3,
    "1.3.14.3.2.29": 3,
    "1.2.840.113549.1.1.11": 4,
    "1.2.840.113549.1.1.12": 5,
    "1.2.840.113549.1.1.13": 6,
    "1.2.840.10040.4.3": 7,
    "2.16.840.1.101.3.4.3.2": 8,
    "1.2.840.10045.4.1": 9,
    "1.2.840.10045.4.3.2": 10,
    "1.2.840.10045.4.3.3": 11,
    "1.2.840.10045.4.3.4": 12,
    "1.3.101.112": 16,
}
_PSS = {"sha256": 13, "sha384": 14, "sha512": 15}
_USAGES = (
    "2.5.29.37.0",
    "1.3.6.1.5.5.7.3.1",
    "1.3.6.1.5.5.7.3.2",
    "1.3.6.1.5.5.7.3.3",
    "1.3.6.1.5.5.7.3.4",
    "1.3.6.1.5.5.7.3.5",
    "1.3.6.1.5.5.7.3.6",
    "1.3.6.1.5.5.7.3.7",
    "1.3.6.1.5.5.7.3.8",
    "1.3.6.1.5.5.7.3.9",
    "1.3.6.1.4.1.311.10.3.3",
    "2.16.840.1.113730.4.1",
    "1.3.6.1.4.1.311.2.1.22",
    "1.3.6.1.4.1.311.61.1.1",
)
_NAMES = {
    "2.5.4.6": "Country",
    "2.5.4.10": "Organization",
    "2.5.4.11": "OrganizationalUnit",
    "2.5.4.7": "Locality",
    "2.5.4.8": "Province",
    "2.5.4.9": "StreetAddress",
    "2.5.4.17": "PostalCode",
}
_SINGLE = {"2.5.4.5": "SerialNumber", "2.5.4.3": "CommonName"}
_HANDLED = frozenset(f"2.5.29.{number}" for number in (14, 15, 17, 19, 30, 31, 32, 33, 35, 36, 37, 54))


def _b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _oid(dotted: str) -> list[int]:
    return [int(part) for part in dotted.split(".")]


def _name(name: Any) -> dict[str, Any]:
    """A ``pkix.Name``."""
    found: dict[str, Any] = dict.fromkeys([*_NAMES.values(), "ExtraNames"])
    found |= dict.fromkeys(_SINGLE.values(), "")
    names = []
    for one in name:
        dotted = one.oid.dotted_string
        names.append({"Type": _oid(dotted), "Value": one.value})
        if dotted in _NAMES:
            found[_NAMES[dotted]] = [*(found[_NAMES[dotted]] or ()), one.value]
        elif dotted in _SINGLE:
            found[_SINGLE[dotted]] = one.value
    return found | {"Names": names or None}


def _raw_name(name: Any) -> str:
    return _b64(name.public_bytes())


def _public_key(key: Any) -> tuple[Any, int]:
    """The key's numbers, and its ``x509.PublicKeyAlgorithm``."""
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa

    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        return {"N": numbers.n, "E": numbers.e}, 1
    if isinstance(key, dsa.DSAPublicKey):
        public = key.public_numbers()
        group = public.parameter_numbers
        return {"P": group.p, "Q": group.q, "G": group.g, "Y": public.y}, 2
    if isinstance(key, ec.EllipticCurvePublicKey):
        point = key.public_numbers()
        return {"Curve": {}, "X": point.x, "Y": point.y}, 3
    if isinstance(key, ed25519.Ed25519PublicKey):
        return _b64(key.public_bytes_raw()), 4
    return None, 0


def _key_bytes(key: Any) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return _b64(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def _signature(subject: Any) -> int:
    dotted = subject.signature_algorithm_oid.dotted_string
    if dotted == "1.2.840.113549.1.1.10":
        return _PSS.get(getattr(subject.signature_hash_algorithm, "name", ""), 0)
    return _SIGNATURES.get(dotted, 0)


def _extension(subject: Any, kind: Any) -> Any:
    from cryptography import x509

    try:
        return subject.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _alternative(subject: Any) -> dict[str, Any]:
    from cryptography import x509

    found = _extension(subject, x509.SubjectAlternativeName)

    def of(kind: Any) -> list[Any] | None:
        return (found.get_values_for_type(kind) if found is not None else None) or None

    uris = of(x509.UniformResourceIdentifier)
    addresses = of(x509.IPAddress)
    return {
        "DNSNames": of(x509.DNSName),
        "EmailAddresses": of(x509.RFC822Name),
        "IPAddresses": [str(one) for one in addresses] if addresses else None,
        "URIs": [_url(one) for one in uris] if uris else None,
        "URIStrings": uris,
    }


def _url(text: str) -> dict[str, Any]:
    """A ``net/url.URL``."""
    parts = urlsplit(text)
    return {
        "Scheme": parts.scheme,
        "Opaque": "" if parts.netloc or parts.path.startswith("/") else parts.path,
        "User": None,
        "Host": parts.netloc,
        "Path": parts.path,
        "RawPath": "",
        "OmitHost": False,
        "ForceQuery": False,
        "RawQuery": parts.query,
        "Fragment": parts.fragment,
        "RawFragment": "",
    }


def _extensions(subject: Any) -> list[dict[str, Any]] | None:
    found = []
    for one in subject.extensions:
        shown: dict[str, Any] = {"Id": _oid(one.oid.dotted_string), "Critical": one.critical}
        found.append(shown | {"Value": _b64(one.value.public_bytes())})
    return found or None


def request_fields(request: Any) -> dict[str, Any]:
    """An ``x509.CertificateRequest``."""
    key, algorithm = _public_key(request.public_key())
    alternative = _alternative(request)
    alternative.pop("URIStrings")
    from cryptography.hazmat.primitives.serialization import Encoding

    return {
        "Raw": _b64(request.public_bytes(Encoding.DER)),
        "RawTBSCertificateRequest": _b64(request.tbs_certrequest_bytes),
        "RawSubjectPublicKeyInfo": _key_bytes(request.public_key()),
        "RawSubject": _raw_name(request.subject),
        "Version": 0,
        "Signature": _b64(request.signature),
        "SignatureAlgorithm": _signature(request),
        "PublicKeyAlgorithm": algorithm,
        "PublicKey": key,
        "Subject": _name(request.subject),
        "Attributes": None,
        "Extensions": _extensions(request),
        "ExtraExtensions": None,
    } | alternative


def certificate_fields(certificate: Any) -> dict[str, Any]:
    """An ``x509.Certificate``, with ``URIStrings`` as OPA adds them."""
    from cryptography.hazmat.primitives.serialization import Encoding

    key, algorithm = _public_key(certificate.public_key())
    unhandled = [
        one for one in certificate.extensions if one.critical and one.oid.dotted_string not in _HANDLED
    ]
    return (
        {
            "Raw": _b64(certificate.public_bytes(Encoding.DER)),
            "RawTBSCertificate": _b64(certificate.tbs_certificate_bytes),
            "RawSubjectPublicKeyInfo": _key_bytes(certificate.public_key()),
            "RawSubject": _raw_name(certificate.subject),
            "RawIssuer": _raw_name(certificate.issuer),
            "Signature": _b64(certificate.signature),
            "SignatureAlgorithm": _signature(certificate),
            "PublicKeyAlgorithm": algorithm,
            "PublicKey": key,
            "Version": certificate.version.value + 1,
            "SerialNumber": certificate.serial_number,
            "Issuer": _name(certificate.issuer),
            "Subject": _name(certificate.subject),
            "NotBefore": certificate.not_valid_before_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "NotAfter": certificate.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "Extensions": _extensions(certificate),
            "ExtraExtensions": None,
            "UnhandledCriticalExtensions": [_oid(one.oid.dotted_string) for one in unhandled] or None,
        }
        | _alternative(certificate)
        | _constraints(certificate)
        | _uses(certificate)
        | _places(certificate)
    )


def _constraints(certificate: Any) -> dict[str, Any]:
    from cryptography import x509

    basic = _extension(certificate, x509.BasicConstraints)
    length = basic.path_length if basic is not None else None
    named = _extension(certificate, x509.NameConstraints)
    permitted = named.permitted_subtrees if named is not None else None
    excluded = named.excluded_subtrees if named is not None else None
    kinds = {
        "DNSDomains": x509.DNSName,
        "EmailAddresses": x509.RFC822Name,
        "URIDomains": x509.UniformResourceIdentifier,
    }
    found: dict[str, Any] = {}
    for prefix, trees in (("Permitted", permitted), ("Excluded", excluded)):
        found[f"{prefix}IPRanges"] = None
        for name, kind in kinds.items():
            found[prefix + name] = [one.value for one in trees or () if isinstance(one, kind)] or None
    policy = _extension(certificate, x509.PolicyConstraints)
    inhibit = _extension(certificate, x509.InhibitAnyPolicy)
    required = policy.require_explicit_policy if policy is not None else None
    mapping = policy.inhibit_policy_mapping if policy is not None else None
    skipped = inhibit.skip_certs if inhibit is not None else None
    critical = any(one.critical for one in certificate.extensions if one.oid.dotted_string == "2.5.29.30")
    return found | {
        "BasicConstraintsValid": basic is not None,
        "IsCA": basic is not None and basic.ca,
        "MaxPathLen": 0 if basic is None else -1 if length is None else length,
        "MaxPathLenZero": length == 0,
        "PermittedDNSDomainsCritical": critical,
        "InhibitAnyPolicy": skipped or 0,
        "InhibitAnyPolicyZero": skipped == 0,
        "InhibitPolicyMapping": mapping or 0,
        "InhibitPolicyMappingZero": mapping == 0,
        "RequireExplicitPolicy": required or 0,
        "RequireExplicitPolicyZero": required == 0,
        "PolicyMappings": None,
    }


def _uses(certificate: Any) -> dict[str, Any]:
    from cryptography import x509

    usage = _extension(certificate, x509.KeyUsage)
    bits = 0
    if usage is not None:
        agreed = usage.key_agreement
        for i, given in enumerate(
            (
                usage.digital_signature,
                usage.content_commitment,
                usage.key_encipherment,
                usage.data_encipherment,
                agreed,
                usage.key_cert_sign,
                usage.crl_sign,
                agreed and usage.encipher_only,
                agreed and usage.decipher_only,
            )
        ):
            bits |= given << i
    extended = [one.dotted_string for one in _extension(certificate, x509.ExtendedKeyUsage) or ()]
    return {
        "KeyUsage": bits,
        "ExtKeyUsage": [_USAGES.index(one) for one in extended if one in _USAGES] or None,
        "UnknownExtKeyUsage": [_oid(one) for one in extended if one not in _USAGES] or None,
    }


def _places(certificate: Any) -> dict[str, Any]:
    from cryptography import x509

    authority = _extension(certificate, x509.AuthorityKeyIdentifier)
    subject = _extension(certificate, x509.SubjectKeyIdentifier)
    access = list(_extension(certificate, x509.AuthorityInformationAccess) or ())
    points = _extension(certificate, x509.CRLDistributionPoints) or ()
    policies = [
        one.policy_identifier.dotted_string for one in _extension(certificate, x509.CertificatePolicies) or ()
    ]

    def at(dotted: str) -> list[str] | None:
        return [
            one.access_location.value for one in access if one.access_method.dotted_string == dotted
        ] or None

    names = [name for point in points for name in point.full_name or ()]
    identifier = authority.key_identifier if authority is not None else None
    return {
        "AuthorityKeyId": _b64(identifier) if identifier else None,
        "SubjectKeyId": _b64(subject.digest) if subject is not None else None,
        "OCSPServer": at("1.3.6.1.5.5.7.48.1"),
        "IssuingCertificateURL": at("1.3.6.1.5.5.7.48.2"),
        "CRLDistributionPoints": [
            one.value for one in names if isinstance(one, x509.UniformResourceIdentifier)
        ]
        or None,
        "Policies": policies or None,
        "PolicyIdentifiers": [_oid(one) for one in policies] or None,
    }


def private_key_fields(key: Any) -> Any:
    """A private key of Go: its numbers."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.private_numbers()
        public = numbers.public_numbers
        precomputed = {"Dp": numbers.dmp1, "Dq": numbers.dmq1, "Qinv": numbers.iqmp, "CRTValues": []}
        primes = [numbers.p, numbers.q]
        return {"N": public.n, "E": public.e, "D": numbers.d, "Primes": primes, "Precomputed": precomputed}
    if isinstance(key, ec.EllipticCurvePrivateKey):
        private = key.private_numbers()
        point = private.public_numbers
        return {"Curve": {}, "X": point.x, "Y": point.y, "D": private.private_value}
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return _b64(key.private_bytes_raw() + key.public_key().public_bytes_raw())
    return {}
