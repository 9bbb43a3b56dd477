"""Every error code, with what it means and what to do: the source of ``docs/reference/reasons.md``."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["ERROR_CODES"]

ERROR_CODES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "bad_field": ("A field is missing, unknown or of the wrong type.", "Correct the named field."),
        "bad_input": ("A value is not acceptable.", "Correct the named field."),
        "bad_json": ("The text is not strict JSON.", "Send one UTF-8 JSON value, no NaN, not too deep."),
        "bad_key": (
            "The text is no key of the kind that is needed.",
            "Give one line as 'maestro audit keygen' writes it.",
        ),
        "bad_note": ("The text is no signed checkpoint.", "Get it from the log's owner again."),
        "bad_proof": (
            "The proof does not lead from the entry, or the older checkpoint, to the root.",
            "Ask the log for a proof between exactly these two.",
        ),
        "bad_signature": ("A signature does not fit what it signs.", "Get both from their owner again."),
        "bad_time": ("A time of day, local time or instant is malformed.", "Write it as the remedy shows."),
        "body_too_large": ("The body is larger than allowed.", "Send less; limits documents fit in 64 KiB."),
        "capability_missing": ("The adapter does not offer what was asked.", "Use one that declares it."),
        "conflict": ("The request contradicts what is stored.", "Read the present state, then decide."),
        "duplicate_key": ("A JSON object has a key twice.", "Keep one of them."),
        "internal": ("Maestro failed; the fault is ours.", "Report it with the request id."),
        "lease_lost": (
            "The lease expired, was released or has another token.",
            "Stop the run; acquire anew.",
        ),
        "log_altered": (
            "The audit log in the store is not the one that was signed last.",
            "Run 'maestro audit verify'; restore a copy that verifies.",
        ),
        "log_damaged": (
            "The audit log cannot be read to its end.",
            "Run 'maestro audit verify'; restore it from a backup.",
        ),
        "missing_extra": ("The command needs an optional dependency.", "Install the named extra."),
        "no_such_document": (
            "There is no document of this kind for the tenant.",
            "PUT one; until then defaults hold.",
        ),
        "no_such_log": ("The store holds no audit log.", "Name the store that the log is kept in."),
        "not_cosigned": (
            "A checkpoint lacks the signature of a second key.",
            "Get a cosigned one, or use the key of who cosigned it.",
        ),
        "port_failed": ("A store or server did not answer.", "Retry after the time told."),
        "run_package_conflict": (
            "The run holds a slot for another package.",
            "Use another run id, or release it.",
        ),
        "unknown_timezone": (
            "The zone is not in the IANA database.",
            "Use an IANA name such as Europe/Berlin.",
        ),
        "untrusted": ("Verification failed.", "Get the artefact from its owner again."),
        "version_conflict": ("The document was changed meanwhile.", "GET it, merge, PUT with the new ETag."),
        "wrong_key": (
            "A checkpoint bears no signature of the key.",
            "Use the public key of the one who signed it.",
        ),
        "wrong_log": ("A checkpoint is of another log.", "Use checkpoint and public key of the same log."),
    }
)
