"""The publisher's keys: which there are (``keys.json``), and how one set follows another."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import attrs
import msgspec

from maestro.edge.repository import ROLES, Roles
from maestro.formats import strict_json
from maestro.formats.jws import SigningKey
from maestro.kernel.errors import BadInputError

if TYPE_CHECKING:
    from securesystemslib.signer import Key, Signer

__all__ = [
    "BundleKey",
    "KeyPlan",
    "Keyring",
    "RoleKeys",
    "first_plan",
    "parse_plan",
    "public_roles",
    "rotated",
]


class BundleKey(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The key that signs bundles; its name is the ``kid`` of their tokens."""

    name: str
    algorithm: str


class RoleKeys(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Names of a role's keys, and how many of them must sign."""

    threshold: int
    keys: tuple[str, ...]


class KeyPlan(msgspec.Struct, forbid_unknown_fields=True, frozen=True, rename="camel"):
    """``keys.json``: every key's name is that of its files, ``NAME.pem`` (private) and ``NAME.pub``.

    Attributes:
        key_epoch: counts how often the bundle's key was replaced.
        bundle: signs bundles.
        roles: sign update metadata.
        retired: former root keys; the next root needs their signature too.
    """

    key_epoch: int
    bundle: BundleKey
    roles: dict[str, RoleKeys]
    retired: tuple[str, ...] = ()

    def names(self) -> tuple[str, ...]:
        """All keys, each once."""
        every = [self.bundle.name, *(name for role in ROLES for name in self.roles[role].keys), *self.retired]
        return tuple(dict.fromkeys(every))


@attrs.frozen
class Keyring:
    """Keys at hand.

    Attributes:
        bundle_id: the ``kid`` of tokens.
        bundle: signs them; None where this key is kept elsewhere.
        roles: public keys and thresholds.
        signer_of: the signer of a key id, if its private key is at hand.
    """

    bundle_id: str
    bundle: SigningKey | None
    roles: Roles
    signer_of: Callable[[str], Signer | None]


def first_plan(algorithm: str, root_keys: int, root_threshold: int) -> KeyPlan:
    """The plan of a new repository: as many root keys as asked for, one for each other role.

    Raises:
        BadInputError: a threshold that its keys cannot reach.
    """
    if not 1 <= root_threshold <= root_keys:
        raise BadInputError(
            "must be at least 1 and at most the number of root keys.",
            field="--root-threshold",
            value=root_threshold,
            remedy="Two of three is a good choice: one may be lost, and one thief is not enough.",
        )
    roots = tuple(f"root-{number}" for number in range(1, root_keys + 1))
    roles = {role: RoleKeys(1, (f"{role}-1",)) for role in ROLES[1:]}
    return KeyPlan(1, BundleKey("bundle-1", algorithm), {"root": RoleKeys(root_threshold, roots), **roles})


def rotated(plan: KeyPlan, roles: Collection[str], *, bundle: bool) -> KeyPlan:
    """The plan in which these roles, and the bundle's key if asked for, have new keys under new names."""
    taken = set(plan.names())
    changed = dict(plan.roles)
    retired = plan.retired
    for role in roles:
        old = plan.roles[role]
        fresh = _fresh(role, len(old.keys), taken)
        changed[role] = RoleKeys(old.threshold, fresh)
        retired += old.keys if role == "root" else ()
    if not bundle:
        return msgspec.structs.replace(plan, roles=changed, retired=retired)
    (name,) = _fresh("bundle", 1, taken)
    return KeyPlan(plan.key_epoch + 1, BundleKey(name, plan.bundle.algorithm), changed, retired)


def parse_plan(data: bytes) -> KeyPlan:
    """Read ``keys.json``.

    Raises:
        BadInputError: it is malformed, or a role has fewer keys than its threshold.
    """
    plan = strict_json.decode(data, KeyPlan)
    missing = [role for role in ROLES if role not in plan.roles]
    short = [role for role, each in plan.roles.items() if not 1 <= each.threshold <= len(set(each.keys))]
    if missing or short or plan.key_epoch < 1 or set(plan.roles) - set(ROLES):
        raise BadInputError(
            f"needs the roles {', '.join(ROLES)}, each with as many keys as its threshold, and a keyEpoch.",
            field="keys.json",
            value=", ".join([*missing, *short]),
            remedy="Make it with 'maestro edge keygen'.",
        )
    wrong = [name for name in plan.names() if not name or not set(name) <= _NAME]
    if wrong:
        raise BadInputError("is no name of a key.", field="keys.json", value=wrong[0], remedy="Rename it.")
    return plan


def public_roles(plan: KeyPlan, key_of: Callable[[str], Key]) -> Roles:
    """The plan's roles with their public keys."""
    keys: Mapping[str, Sequence[Key]] = {
        role: [key_of(name) for name in plan.roles[role].keys] for role in ROLES
    }
    return Roles(keys, {role: plan.roles[role].threshold for role in ROLES}, plan.key_epoch)


_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")


def _fresh(stem: str, count: int, taken: set[str]) -> tuple[str, ...]:
    found: list[str] = []
    number = 1
    while len(found) < count:
        name = f"{stem}-{number}"
        if name not in taken:
            found.append(name)
            taken.add(name)
        number += 1
    return tuple(found)
