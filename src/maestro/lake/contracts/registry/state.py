"""The registry as its changes left it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

import attrs
import msgspec

from maestro.kernel.errors import BadInputError
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

__all__ = ["State", "Version", "content_key", "guid_of"]


@attrs.frozen
class Version:
    """One version of a subject.

    Attributes:
        subject: whose.
        number: counted from 1.
        id: of its schema.
        deleted: softly; it is read by id alone, or by who asks for deleted ones.
    """

    subject: str
    number: int
    id: int
    deleted: bool = False


def content_key(text: SchemaText) -> str:
    """What equal schemas share: the same type, references, metadata and rules, and JSON that says the same."""
    return canonical(
        [
            text.schema_type,
            _json(text.schema),
            msgspec.to_builtins(text.references),
            text.metadata,
            text.rule_set,
        ]
    )


def _json(schema: str) -> Any:
    try:
        return json.loads(schema)
    except ValueError:  # an Avro primitive's bare name
        return schema


def guid_of(text: SchemaText) -> str:
    """A name for the schema that every registry gives it alike."""
    digest = sha256(content_key(text).encode()).hexdigest()
    return "-".join((digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:32]))


class State:
    """Subjects, schemas, configurations and modes; made by ``apply``, read by everybody.

    Attributes:
        texts: schemas by id.
        configs: configurations by subject; "" is everybody's.
        modes: modes by subject; "" is everybody's.
    """

    def __init__(self) -> None:
        self.texts: dict[int, SchemaText] = {}
        self.configs: dict[str, dict[str, Any]] = {}
        self.modes: dict[str, str] = {}
        self._subjects: dict[str, dict[int, Version]] = {}
        self._ids: dict[str, int] = {}
        self._newest_id = 0

    def apply(self, change: Change) -> None:
        """Take in the next change."""
        _APPLY[type(change)](self, change)

    def subjects(self, *, deleted: bool = False) -> Iterator[str]:
        """Names in order; those all of whose versions are deleted only if asked for."""
        return (name for name in sorted(self._subjects) if self.versions(name, deleted=deleted))

    def versions(self, subject: str, *, deleted: bool = False) -> list[Version]:
        """The versions of a subject, the oldest first."""
        found = self._subjects.get(subject, {})
        return [found[number] for number in sorted(found) if deleted or not found[number].deleted]

    def version(self, subject: str, number: int) -> Version | None:
        """One version, deleted softly or not."""
        return self._subjects.get(subject, {}).get(number)

    def holders(self, schema_id: int, *, deleted: bool = False) -> list[Version]:
        """The versions with this schema."""
        return [
            version
            for subject in sorted(self._subjects)
            for version in self.versions(subject, deleted=deleted)
            if version.id == schema_id
        ]

    def referrers(self, subject: str, number: int) -> list[Version]:
        """The live versions whose schemas use this version."""
        return [
            version
            for name in sorted(self._subjects)
            for version in self.versions(name)
            if any(
                (each.subject, each.version) == (subject, number)
                for each in self.texts[version.id].references
            )
        ]

    def id_of(self, text: SchemaText) -> int | None:
        """The id of an equal schema."""
        return self._ids.get(content_key(text))

    def next_id(self) -> int:
        """An id that no schema ever had."""
        return self._newest_id + 1

    def documents(self, text: SchemaText) -> dict[str, bytes]:
        """The texts that a schema uses, each after those it uses itself, by the name it is called.

        Raises:
            BadInputError: ``bad_reference``, a reference leads nowhere or round in circles.
        """
        found: dict[str, bytes] = {}
        self._collect(text, found, ())
        return found

    def _collect(
        self, text: SchemaText, found: dict[str, bytes], within: tuple[tuple[str, int], ...]
    ) -> None:
        for each in text.references:
            version = self.version(each.subject, each.version)
            if version is None or (each.subject, each.version) in within:
                raise BadInputError(
                    "refers to no schema that is here.",
                    field=f"references/{each.name}",
                    value=f"{each.subject} version {each.version}",
                    code="bad_reference",
                    remedy="Register what it refers to first.",
                )
            below = self.texts[version.id]
            self._collect(below, found, (*within, (each.subject, each.version)))
            found.setdefault(each.name, below.schema.encode())

    def _registered(self, change: VersionRegistered) -> None:
        if change.text is not None:
            self.texts[change.id] = change.text
            self._ids[content_key(change.text)] = change.id
            self._newest_id = max(self._newest_id, change.id)
        version = Version(change.subject, change.version, change.id)
        self._subjects.setdefault(change.subject, {})[change.version] = version

    def _version_deleted(self, change: VersionDeleted) -> None:
        versions = self._subjects[change.subject]
        if change.permanent:
            del versions[change.version]
        else:
            versions[change.version] = attrs.evolve(versions[change.version], deleted=True)

    def _subject_deleted(self, change: SubjectDeleted) -> None:
        if change.permanent:
            del self._subjects[change.subject]
        else:
            versions = self._subjects[change.subject]
            versions.update({number: attrs.evolve(each, deleted=True) for number, each in versions.items()})
        self.configs.pop(change.subject, None)
        self.modes.pop(change.subject, None)

    def _config_changed(self, change: ConfigChanged) -> None:
        self.configs[change.subject] = change.config

    def _config_dropped(self, change: ConfigDropped) -> None:
        self.configs.pop(change.subject, None)

    def _mode_changed(self, change: ModeChanged) -> None:
        self.modes[change.subject] = change.mode

    def _mode_dropped(self, change: ModeDropped) -> None:
        self.modes.pop(change.subject, None)


_APPLY: dict[type, Callable[[State, Any], None]] = {
    VersionRegistered: State._registered,  # noqa: SLF001 - a table of the class's own steps
    VersionDeleted: State._version_deleted,  # noqa: SLF001
    SubjectDeleted: State._subject_deleted,  # noqa: SLF001
    ConfigChanged: State._config_changed,  # noqa: SLF001
    ConfigDropped: State._config_dropped,  # noqa: SLF001
    ModeChanged: State._mode_changed,  # noqa: SLF001
    ModeDropped: State._mode_dropped,  # noqa: SLF001
}
