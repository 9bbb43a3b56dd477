"""Every error code, with what it means and what to do: the source of ``docs/reference/reasons.md``."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["ERROR_CODES"]

ERROR_CODES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "bad_envelope": (
            "The record is no change event of the form that was told.",
            "Send Debezium's JSON envelope, with or without schema.",
        ),
        "bad_file": (
            "A file of changes is not whole, or not of the form that was told.",
            "Write it again, or name its format.",
        ),
        "bad_plan": (
            "The plan is not one that OPA makes.",
            "Build the bundle again with 'opa build -t plan'.",
        ),
        "deadline": ("An evaluation took longer than it may.", "Simplify the policy, or allow it more time."),
        "depth_limit": ("An evaluation or a value nests too deeply.", "Flatten the policy or the input."),
        "eval_builtin_error": (
            "A builtin cannot compute what it was asked.",
            "Correct the operand that the message names.",
        ),
        "eval_conflict_error": (
            "A rule or an object's key has two values.",
            "Make the rules exclude one another.",
        ),
        "eval_type_error": (
            "A builtin was given an operand of the wrong type.",
            "Correct the operand that the message names.",
        ),
        "evaluation_failed": (
            "An evaluation ended without a decision.",
            "Take it as a deny; the message says why.",
        ),
        "no_plan": (
            "The bundle brings no plan, and nothing here can make one.",
            "Build it with 'opa build -t plan', or install opa.",
        ),
        "no_such_entrypoint": (
            "The path is no rule, package or data of the bundle.",
            "Name one that the message lists.",
        ),
        "number_limit": ("A number is too long to compute with.", "Keep numbers below 4,300 digits."),
        "policy_failed": (
            "A policy contradicts itself, or runs too long.",
            "Take it as a deny; correct the policy.",
        ),
        "size_limit": (
            "An evaluation makes a value that is too large.",
            "Compute with smaller values, or raise the limit.",
        ),
        "step_limit": (
            "An evaluation takes more steps than it may.",
            "Simplify the policy, or raise the limit.",
        ),
        "unsupported_builtin": (
            "The plan calls a builtin that is not there.",
            "Install the extra that the message names, or register it.",
        ),
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
        "bad_mode": ("The compatibility mode is unknown.", "Use one that the message lists."),
        "bad_reference": ("A schema refers to another that is not there.", "Register that one first."),
        "bad_schema": ("A schema or data contract is malformed.", "Correct the named field."),
        "bad_signature": ("A signature does not fit what it signs.", "Get both from their owner again."),
        "bad_yaml": ("The text is not YAML that is read.", "Correct it."),
        "bad_time": ("A time of day, local time or instant is malformed.", "Write it as the remedy shows."),
        "body_too_large": ("The body is larger than allowed.", "Send less; limits documents fit in 64 KiB."),
        "capability_missing": ("The adapter does not offer what was asked.", "Use one that declares it."),
        "conflict": ("The request contradicts what is stored.", "Read the present state, then decide."),
        "duplicate_key": ("A JSON object has a key twice.", "Keep one of them."),
        "format_differs": ("Two schemas are of different formats.", "Compare schemas of one format."),
        "internal": ("Maestro failed; the fault is ours.", "Report it with the request id."),
        "keys_missing": (
            "A private key that must sign is not at hand.",
            "Bring its file into the folder of keys for this one publication.",
        ),
        "lake_contended": (
            "Other writers of the table committed first, again and again.",
            "Give the batch again; let fewer writers share a partition.",
        ),
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
        "no_boot_id": (
            "The system does not tell one boot from the next.",
            "Use the in-process store, or a store on a server.",
        ),
        "no_columns": (
            "Nobody told the columns of a new lake table.",
            "Give its contract, or a source whose events carry their schema.",
        ),
        "no_such_document": (
            "There is no document of this kind for the tenant.",
            "PUT one; until then defaults hold.",
        ),
        "no_such_subject": ("The registry has no such subject, or no version of it.", "Register one."),
        "no_such_table": ("The data contract has no such table.", "Name one that the message lists."),
        "no_such_log": ("The store holds no audit log.", "Name the store that the log is kept in."),
        "not_cosigned": (
            "A checkpoint lacks the signature of a second key.",
            "Get a cosigned one, or use the key of who cosigned it.",
        ),
        "not_tabular": ("A schema describes what no table can hold.", "Change the named part."),
        "opa_refused": (
            "The policy server refused the request.",
            "Look at its answer; it is repeated in the message.",
        ),
        "opa_undefined": (
            "The policy server has no answer under this path.",
            "Load the policy, or correct the path.",
        ),
        "opa_unreachable": ("The policy server does not answer.", "Start it, or correct its address."),
        "policy_refused": (
            "OPA does not compile the policies.",
            "Correct them; 'opa check' finds the place.",
        ),
        "port_failed": ("A store or server did not answer.", "Retry after the time told."),
        "registry_refused": ("The contract registry refuses the request.", "See the message."),
        "registry_unreachable": ("The contract registry does not answer as one.", "Correct its address."),
        "repository_failed": (
            "The repository's folder cannot be read or written.",
            "Correct its path or rights, or free room.",
        ),
        "revision_taken": (
            "The revision is published already, or is below one that is.",
            "Leave --revision out to take the next one.",
        ),
        "run_package_conflict": (
            "The run holds a slot for another package.",
            "Use another run id, or release it.",
        ),
        "source_refused": (
            "What a bundle source offered is no such file, is too long, or leads to a place that is not allowed.",
            "Correct what the source offers, or its address.",
        ),
        "source_unreachable": (
            "The bundle source does not answer as it should.",
            "See that it runs; the edge asks again by itself.",
        ),
        "schema_drift": (
            "A batch's columns are not the table's.",
            "Correct the producer, or register the new schema.",
        ),
        "schema_incompatible": ("A schema breaks its subject's compatibility mode.", "See the message."),
        "schema_too_complex": ("Schemas nest or refer too deeply to be judged.", "Split them."),
        "slot_lost": (
            "The replication slot's log was removed by the server: changes are missing.",
            "Drop the slot, follow anew, and run 'maestro lake backfill'.",
        ),
        "sqlite_too_old": (
            "This Python's SQLite lacks what the store needs.",
            "Use a Python built with a newer SQLite.",
        ),
        "store_busy": ("Others keep the store busy for too long.", "Retry after the time told."),
        "store_closed": ("The store was closed.", "Open it again."),
        "store_corrupt": ("The store's file is damaged or no database.", "Restore it, or name another file."),
        "store_failed": (
            "The store failed in a way that has no code of its own.",
            "See the message and the server's log.",
        ),
        "store_foreign": (
            "The file, keys or schema belong to another application.",
            "Name one of Maestro's own.",
        ),
        "store_full": ("The store has no room left.", "Free disk or memory."),
        "store_newer": ("The store was made by a newer Maestro.", "Upgrade Maestro, or name another store."),
        "store_other_boot": (
            "The file is used by another boot or machine.",
            "Keep it on one machine's disk.",
        ),
        "store_read_only": ("The store cannot be written.", "Connect to the primary, or make it writable."),
        "store_refused": ("The store refused user, password or rights.", "Correct them."),
        "store_unopened": ("The store cannot be opened as it was named.", "Correct path or address."),
        "store_unreachable": (
            "The store's server does not answer.",
            "Start it, or correct its address; calls connect again.",
        ),
        "store_unsuited": (
            "The server lacks what the store needs.",
            "Change its settings as the remedy says.",
        ),
        "store_untrusted": (
            "The server's certificate cannot be trusted.",
            "Correct the certificate or the names.",
        ),
        "table_gone": (
            "The lake's table, or a file of it, is not there.",
            "Restore it, or name another one.",
        ),
        "unknown_timezone": (
            "The zone is not in the IANA database.",
            "Use an IANA name such as Europe/Berlin.",
        ),
        "untrusted": ("Verification failed.", "Get the artefact from its owner again."),
        "version_conflict": ("The document was changed meanwhile.", "GET it, merge, PUT with the new ETag."),
        "wrong_type": (
            "A value of a change is not of its column's type.",
            "Correct the producer, or register a schema that allows it.",
        ),
        "wrong_key": (
            "A checkpoint bears no signature of the key.",
            "Use the public key of the one who signed it.",
        ),
        "wrong_log": ("A checkpoint is of another log.", "Use checkpoint and public key of the same log."),
    }
)
