"""What may be done with a registry: each deed is judged against the state and answers with the change it makes.

Nothing here waits or writes: whoever holds the store appends the change and folds it in (``maestro.runtime.contracts``).
The rules are those of the field's registry.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from maestro.kernel.errors import BadInputError
from maestro.lake.contracts.check import check, parse_mode
from maestro.lake.contracts.contract import Contract, Format, load_contract
from maestro.lake.contracts.json_schema.document import canonical
from maestro.lake.contracts.registry.changes import (
    Change,
    ConfigChanged,
    ConfigDropped,
    ModeChanged,
    ModeDropped,
    SchemaText,
    SubjectDeleted,
    VersionDeleted,
    VersionRegistered,
)
from maestro.lake.contracts.registry.reasons import refused
from maestro.lake.contracts.registry.state import State, Version, content_key
from maestro.lake.contracts.verdict import Mode, Verdict

__all__ = ["EVERYBODY", "LATEST", "MODES", "TYPES", "Registry"]

EVERYBODY: Final = ""
"""The subject of what holds for all that have nothing of their own."""
LATEST: Final = -1
TYPES: Final[Mapping[str, Format]] = {"AVRO": Format.AVRO, "JSON": Format.JSON_SCHEMA}
MODES: Final = ("READWRITE", "READONLY", "READONLY_OVERRIDE", "IMPORT")
_MOST_VERSION: Final = 2**31 - 1
_MOST_SUBJECT: Final = 255
_FOUND: Final = 5
"""Differences that a version's summary names."""


class Registry:
    """Reads a state, and judges deeds.

    Args:
        state: as the changes left it.
        default: the mode of subjects when nobody has set one.
    """

    def __init__(self, state: State, default: Mode = Mode.BACKWARD) -> None:
        self.state = state
        self._default = default
        self._read: dict[str, Contract] = {}

    # ---- looking up ----

    def versions(self, subject: str, *, deleted: bool = False) -> list[Version]:
        """The versions of a subject.

        Raises:
            ConflictError: ``subject_not_found``.
        """
        found = self.state.versions(subject, deleted=deleted)
        if not found:
            raise refused("subject_not_found", f"Subject {subject!r} is not there.")
        return found

    def version(self, subject: str, number: int, *, deleted: bool = False) -> Version:
        """One version, or the newest for ``LATEST``.

        Raises:
            ConflictError: ``subject_not_found``, ``version_not_found``.
            BadInputError: ``bad_version``.
        """
        if number != LATEST and not 1 <= number <= _MOST_VERSION:
            raise refused("bad_version", f"Version {number} is none.")
        every = self.versions(subject, deleted=deleted)
        if number == LATEST:
            return every[-1]
        for version in every:
            if version.number == number:
                return version
        raise refused("version_not_found", f"Subject {subject!r} has no version {number}.")

    def text(self, schema_id: int) -> SchemaText:
        """The schema of an id.

        Raises:
            ConflictError: ``schema_not_found``.
        """
        if schema_id not in self.state.texts:
            raise refused("schema_not_found", f"Schema {schema_id} is not there.")
        return self.state.texts[schema_id]

    def contract(self, schema_id: int) -> Contract:
        """The contract of an id, read once.

        Raises:
            ConflictError: ``schema_not_found``.
        """
        return self._contract(self.text(schema_id))

    def owner(self, subject: str) -> str:
        """Who answers for a subject: the property ``owner`` of its newest version's metadata; empty when nobody."""
        versions = self.state.versions(subject, deleted=True)
        metadata = (self.state.texts[versions[-1].id].metadata if versions else None) or {}
        return str((metadata.get("properties") or {}).get("owner", ""))

    def find(
        self, subject: str, text: SchemaText, *, normalize: bool = False, deleted: bool = False
    ) -> Version:
        """The newest version of a subject with this schema.

        Raises:
            ConflictError: ``subject_not_found``, ``schema_not_found``.
            BadInputError: the schema is malformed.
        """
        versions = self.versions(subject, deleted=deleted)
        found = self._same(versions, self._prepared(subject, text, normalize=normalize))
        if found is None:
            raise refused("schema_not_found", f"Subject {subject!r} has no version with this schema.")
        return found

    def config(self, subject: str = EVERYBODY, *, or_global: bool = False) -> dict[str, Any]:
        """The configuration; always with its ``compatibilityLevel``.

        Raises:
            ConflictError: ``config_not_set``.
        """
        found = self.state.configs.get(subject)
        if found is None and subject != EVERYBODY and not or_global:
            raise refused("config_not_set", f"Subject {subject!r} has no configuration of its own.")
        everybody = self.state.configs.get(EVERYBODY, {})
        return {"compatibilityLevel": self._default.value} | everybody | (found or {})

    def mode(self, subject: str = EVERYBODY, *, or_global: bool = False) -> str:
        """The registry's mode: ``READWRITE`` when nobody has set one.

        Raises:
            ConflictError: ``mode_not_set``.
        """
        found = self.state.modes.get(subject)
        if found is None and subject != EVERYBODY and not or_global:
            raise refused("mode_not_set", f"Subject {subject!r} has no mode of its own.")
        return found or self.state.modes.get(EVERYBODY, MODES[0])

    def check(
        self,
        subject: str,
        text: SchemaText,
        number: int | None = None,
        *,
        normalize: bool = False,
        mode: Mode | None = None,
    ) -> Verdict:
        """Whether a schema may follow: against one version, or those that the subject's mode names.

        Raises:
            ConflictError: ``version_not_found``, ``subject_not_found`` (only when a version is named).
            BadInputError: the schema is malformed.
        """
        judged = self._contract(self._prepared(subject, text, normalize=normalize))
        one = () if number is None else (self.version(subject, number),)
        versions = one or self.state.versions(subject)
        return self._verdict(subject, judged, versions, mode)

    # ---- deeds ----

    def register(
        self,
        subject: str,
        text: SchemaText,
        *,
        normalize: bool = False,
        schema_id: int | None = None,
        number: int | None = None,
    ) -> tuple[int, VersionRegistered | None]:
        """The schema's id, and the change that adds it; no change when the subject's newest has it already.

        Args:
            subject: under which.
            text: the schema.
            normalize: keep the canonical text.
            schema_id: demanded in mode ``IMPORT`` alone.
            number: of the version, demanded in mode ``IMPORT`` alone.

        Raises:
            BadInputError: malformed, or ``not_permitted``, ``id_taken``, ``bad_subject``.
            ConflictError: ``schema_incompatible``; the message tells every violation.
        """
        _require_subject(subject)
        mode = self.mode(subject, or_global=True)
        kept = self._prepared(subject, text, normalize=normalize)
        same = self._same(self.state.versions(subject), kept)
        if same is not None and number in (None, LATEST, same.number) and schema_id in (None, same.id):
            return same.id, None
        self._require_writable(subject, mode)
        importing = mode == "IMPORT"
        if not importing and schema_id is not None:
            raise refused(
                "not_permitted", f"Subject {subject!r} is not in mode IMPORT, which alone takes ids."
            )
        contract = self._contract(kept)
        if not importing:
            self._require_compatible(subject, contract)
        known = self.state.id_of(kept)
        chosen = schema_id or known or self.state.next_id()
        if chosen in self.state.texts and content_key(self.state.texts[chosen]) != content_key(kept):
            raise refused("id_taken", f"Id {chosen} is another schema's.")
        change = VersionRegistered(
            subject,
            self._number(subject, number),
            chosen,
            None if chosen in self.state.texts else kept,
            self._summary(subject, contract),
        )
        return chosen, change

    def delete_version(self, subject: str, number: int, *, permanent: bool = False) -> tuple[int, Change]:
        """The version's number, and the change that deletes it.

        Raises:
            ConflictError: it is not there, is deleted already, or is not deleted yet.
            BadInputError: ``reference_exists``, ``not_permitted``.
        """
        self._require_writable(subject, self.mode(subject, or_global=True))
        version = self.version(subject, number, deleted=number != LATEST)
        if permanent and not version.deleted:
            raise refused(
                "version_not_soft_deleted", f"Version {version.number} of {subject!r} is not deleted yet."
            )
        if version.deleted and not permanent:
            raise refused(
                "version_soft_deleted", f"Version {version.number} of {subject!r} is deleted already."
            )
        self._require_unused([version])
        return version.number, VersionDeleted(subject, version.number, permanent)

    def delete_subject(self, subject: str, *, permanent: bool = False) -> tuple[list[int], Change]:
        """The numbers of its versions, and the change that deletes them.

        Raises:
            ConflictError: it is not there, is deleted already, or is not deleted yet.
            BadInputError: ``reference_exists``, ``not_permitted``.
        """
        self._require_writable(subject, self.mode(subject, or_global=True))
        every = self.versions(subject, deleted=True)
        live = [version for version in every if not version.deleted]
        if permanent and live:
            raise refused("subject_not_soft_deleted", f"Subject {subject!r} is not deleted yet.")
        if not permanent and not live:
            raise refused("subject_soft_deleted", f"Subject {subject!r} is deleted already.")
        told = every if permanent else live
        self._require_unused(told)
        return [version.number for version in told], SubjectDeleted(subject, permanent)

    def set_config(self, subject: str, asked: Mapping[str, Any]) -> tuple[dict[str, Any], Change]:
        """The configuration as it then is, and the change.

        Raises:
            BadInputError: ``bad_mode``, ``bad_subject``.
        """
        if subject != EVERYBODY:
            _require_subject(subject)
        wanted = dict(asked)
        level = wanted.pop("compatibility", wanted.pop("compatibilityLevel", None))
        if level is not None:
            wanted["compatibilityLevel"] = parse_mode(level).value
        config = self.state.configs.get(subject, {}) | wanted
        return config, ConfigChanged(subject, config)

    def drop_config(self, subject: str) -> tuple[dict[str, Any], Change]:
        """The configuration as it was, and the change.

        Raises:
            ConflictError: ``config_not_set``.
        """
        return self.config(subject), ConfigDropped(subject)

    def set_mode(self, subject: str, mode: str, *, force: bool = False) -> tuple[str, Change]:
        """The mode, and the change.

        Raises:
            BadInputError: ``bad_registry_mode``; ``not_permitted``, IMPORT where versions are, without force.
        """
        if subject != EVERYBODY:
            _require_subject(subject)
        if mode not in MODES:
            raise refused("bad_registry_mode", f"{mode!r} is no mode; there are {', '.join(MODES)}.")
        holds = self.state.versions(subject) if subject else any(self.state.subjects())
        if mode == "IMPORT" and holds and not force:
            raise refused("not_permitted", "There are versions already, so importing could clash with them.")
        return mode, ModeChanged(subject, mode)

    def drop_mode(self, subject: str) -> tuple[str, Change]:
        """The mode as it was, and the change.

        Raises:
            ConflictError: ``mode_not_set``.
        """
        return self.mode(subject), ModeDropped(subject)

    # ---- how ----

    def _prepared(self, subject: str, text: SchemaText, *, normalize: bool) -> SchemaText:
        """The schema as it would be kept, found whole."""
        if text.schema_type not in TYPES:
            raise refused(
                "bad_schema", f"Schema type {text.schema_type!r} is not known; there are AVRO and JSON."
            )
        contract = self._contract(text)
        if normalize or self.config(subject, or_global=True).get("normalize") is True:
            return SchemaText(
                _normal(contract, text), text.schema_type, text.references, text.metadata, text.rule_set
            )
        return text

    def _contract(self, text: SchemaText) -> Contract:
        key = content_key(text)
        if key not in self._read:
            try:
                references = self.state.documents(text)
                self._read[key] = load_contract(text.schema.encode(), TYPES[text.schema_type], references)
            except BadInputError as error:
                raise BadInputError(
                    error.message,
                    field=error.field,
                    value=error.value,
                    code="bad_schema",
                    remedy=error.remedy,
                ) from error
        return self._read[key]

    def _same(self, versions: Sequence[Version], text: SchemaText) -> Version | None:
        key = content_key(text)
        for version in reversed(versions):
            if content_key(self.state.texts[version.id]) == key:
                return version
        return None

    def _verdict(
        self, subject: str, judged: Contract, versions: Sequence[Version], mode: Mode | None = None
    ) -> Verdict:
        wanted = mode or Mode(self.config(subject, or_global=True)["compatibilityLevel"])
        return check(judged, [self._contract(self.state.texts[each.id]) for each in versions], wanted)

    def _require_compatible(self, subject: str, contract: Contract) -> None:
        verdict = self._verdict(subject, contract, self.state.versions(subject))
        if not verdict.compatible:
            told = " ".join(f"[{each.path}: {each.rule}] {each.message}" for each in verdict.violations)
            message = f"The schema is not {verdict.mode} compatible with subject {subject!r}: {told}"
            raise refused("schema_incompatible", message, verdict.violations[0].remedy)

    def _number(self, subject: str, wanted: int | None) -> int:
        versions = self.state.versions(subject, deleted=True)
        return (
            wanted if wanted not in (None, LATEST) else max((each.number for each in versions), default=0) + 1
        )

    def _summary(self, subject: str, contract: Contract) -> tuple[str, ...]:
        """What changed since the newest version, for the change log."""
        versions = self.state.versions(subject)
        if not versions:
            return ()
        before = self._contract(self.state.texts[versions[-1].id])
        if before.format is not contract.format:
            return (f"{before.format} → {contract.format}",)
        findings = [f"{each.rule} {each.path or '/'}" for each in contract.reads(before)]
        return tuple(dict.fromkeys(findings))[:_FOUND]

    def _require_writable(self, subject: str, mode: str) -> None:
        if mode in {"READONLY", "READONLY_OVERRIDE"}:
            raise refused("not_permitted", f"Subject {subject!r} is in mode {mode}.")

    def _require_unused(self, versions: Sequence[Version]) -> None:
        for version in versions:
            users = self.state.referrers(version.subject, version.number)
            if users:
                told = ", ".join(f"{each.subject} version {each.number}" for each in users[:_FOUND])
                raise refused(
                    "reference_exists", f"Version {version.number} of {version.subject!r} is used by {told}."
                )


def _normal(contract: Contract, text: SchemaText) -> str:
    """The text in the one way to write it: JSON with sorted keys."""
    if contract.format is Format.JSON_SCHEMA:
        return contract.canonical
    from maestro.lake.contracts.contract import read_document

    return canonical(read_document(text.schema.encode()))


def _require_subject(subject: str) -> None:
    if not 1 <= len(subject) <= _MOST_SUBJECT or not subject.isprintable():
        raise refused("bad_subject", f"{subject[:80]!r} cannot be a subject's name.")
