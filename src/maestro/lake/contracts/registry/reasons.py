"""Why the registry refuses: our codes, with the field's numbers for its clients."""

from __future__ import annotations

from maestro.kernel.errors import BadInputError, ConflictError, MaestroError

__all__ = ["FIELD_CODES", "refused"]

FIELD_CODES: dict[str, tuple[int, int, str, str]] = {
    "subject_not_found": (404, 40401, "There is no such subject.", "Register a schema under it first."),
    "version_not_found": (404, 40402, "The subject has no such version.", "List its versions."),
    "schema_not_found": (404, 40403, "There is no such schema.", "Register it first."),
    "subject_soft_deleted": (
        404,
        40404,
        "The subject is deleted already.",
        "Delete it permanently, or leave it.",
    ),
    "subject_not_soft_deleted": (
        404,
        40405,
        "The subject is not deleted yet.",
        "Delete it first, then permanently.",
    ),
    "version_soft_deleted": (
        404,
        40406,
        "The version is deleted already.",
        "Delete it permanently, or leave it.",
    ),
    "version_not_soft_deleted": (
        404,
        40407,
        "The version is not deleted yet.",
        "Delete it first, then permanently.",
    ),
    "config_not_set": (
        404,
        40408,
        "The subject has no configuration of its own.",
        "Ask with defaultToGlobal=true.",
    ),
    "mode_not_set": (404, 40409, "The subject has no mode of its own.", "Ask with defaultToGlobal=true."),
    "schema_incompatible": (
        409,
        409,
        "The schema breaks the subject's compatibility mode.",
        "See the messages.",
    ),
    "bad_schema": (422, 42201, "The schema is malformed.", "Correct the named field."),
    "bad_version": (422, 42202, "The version is no number of 1 to 2147483647, nor 'latest'.", "Send one."),
    "bad_mode": (
        422,
        42203,
        "The compatibility mode is unknown.",
        "Send one of those that the message lists.",
    ),
    "bad_registry_mode": (
        422,
        42204,
        "The registry's mode is unknown.",
        "Send one of those that the message lists.",
    ),
    "not_permitted": (422, 42205, "The mode forbids it.", "Change the mode first."),
    "reference_exists": (422, 42206, "Another schema uses this one.", "Delete what uses it first."),
    "id_taken": (422, 42207, "The id is another schema's.", "Leave the id out."),
    "bad_subject": (
        422,
        42208,
        "The subject's name is not acceptable.",
        "Use 1 to 255 printable characters.",
    ),
}
"""By our code: HTTP status, the field's ``error_code``, meaning, remedy."""


def refused(code: str, message: str, remedy: str = "") -> MaestroError:
    """The error of this code."""
    status, _, _, usual = FIELD_CODES[code]
    if status == 422:
        return BadInputError(message, code=code, remedy=remedy or usual)
    return ConflictError(message, code=code, remedy=remedy or usual)
