"""Which operation stands at which method and path, and what the OpenAPI document tells of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from maestro_sidecar.contracts import api
from maestro_sidecar.contracts.bodies import (
    Compatibility,
    Config,
    Fault,
    Mode,
    RegisterRequest,
    SchemaAnswer,
    SchemaRequest,
    VersionAnswer,
    VersionName,
)
from maestro_sidecar.contracts.endpoint import MEDIA_TYPE
from maestro_sidecar.endpoint import Operation, Parameter

__all__ = ["OPERATIONS", "ROOT"]

ROOT: Final = "/api/contracts"
_ANY, _PUBLISHER, _OPERATOR = "any", "publisher or operator", "operator"
_S: Final = "/subjects/{subject}"
_V: Final = f"{_S}/versions"
_ONE: Final = f"{_V}/{{version}}"
_ID: Final = "/schemas/ids/{id}"
_CHECK: Final = f"/compatibility{_V}"

_PATH: Final = {
    "subject": "name of the subject, percent-encoded",
    "version": "number of the version, or latest",
    "id": "id of the schema",
    "guid": "the name that every registry gives the schema alike",
    "namespace": "of the resource",
    "resource": "its name",
    "name": "of the exporter",
}
_QUERY: Final = {
    "deleted": "true: those deleted softly too",
    "deletedOnly": "true: those deleted softly alone",
    "subjectPrefix": "subjects whose names begin so",
    "offset": "how many to leave out",
    "limit": "how many at most; negative for all",
    "normalize": "true: spell the schema in the one canonical way first",
    "permanent": "true: for good; only what is deleted softly already",
    "verbose": "true: with the messages of all violations",
    "defaultToGlobal": "true: everybody's where the subject has none of its own",
    "force": "true: also where versions are there already",
    "subject": "the subject that is meant",
    "key": "of a metadata property; may be repeated",
    "value": "of the property; may be repeated",
    "fetchMaxId": "true: with the greatest id given so far",
}
_PAGE: Final = ("offset", "limit")


def _operation(  # noqa: PLR0913 - a row of the table below
    method: str,
    path: str,
    name: str,
    handler: api.Handler,
    summary: str,
    *,
    answer: Any,
    scopes: str = _ANY,
    query: tuple[str, ...] = (),
    body: Any = None,
    problems: Mapping[int, tuple[str, ...]] | None = None,
) -> Operation:
    steps = [step[1:-1] for step in path.split("/") if step.startswith("{")]
    return Operation(
        method,
        f"{ROOT}{path}",
        name,
        api.handled(handler),
        summary,
        scopes=scopes,
        body=body,
        parameters=(
            *(Parameter(each, "path", _PATH[each], required=True) for each in steps),
            *(Parameter(each, "query", _QUERY[each]) for each in query),
        ),
        answers={} if answer is None else {200: answer},
        problems=dict(problems or {}),
        fault=Fault,
        media_type=MEDIA_TYPE,
    )


_NO_SUBJECT: Final = {404: ("subject_not_found",)}
_NO_VERSION: Final = {404: ("subject_not_found", "version_not_found"), 422: ("bad_version",)}
_NO_SCHEMA: Final = {404: ("schema_not_found",)}
_REGISTERED: Final = {
    409: ("schema_incompatible",),
    422: ("bad_schema", "bad_subject", "id_taken", "not_permitted"),
}
_DELETED: Final = {
    404: ("subject_not_found", "subject_not_soft_deleted", "subject_soft_deleted"),
    422: ("not_permitted", "reference_exists"),
}
_VERSION_DELETED: Final = {
    404: ("subject_not_found", "version_not_found", "version_not_soft_deleted", "version_soft_deleted"),
    422: ("bad_version", "not_permitted", "reference_exists"),
}

_SUBJECTS: Final = (
    _operation("GET", "/subjects", "listSubjects", api.list_subjects, "Names of subjects.", answer=list[str],
               query=("deleted", "deletedOnly", "subjectPrefix", *_PAGE)),
    _operation("POST", _S, "lookUpSchema", api.look_up, "The version of a subject that has a schema.",
               answer=VersionAnswer, body=SchemaRequest, query=("normalize", "deleted"),
               problems={404: ("subject_not_found", "schema_not_found"), 422: ("bad_schema",)}),
    _operation("DELETE", _S, "deleteSubject", api.delete_subject, "Delete all versions, softly or for good.",
               answer=list[int], scopes=_OPERATOR, query=("permanent",), problems=_DELETED),
    _operation("GET", f"{_S}/metadata", "findByMetadata", api.find_by_metadata,
               "The newest version with these metadata properties.", answer=VersionAnswer,
               query=("key", "value", "deleted"), problems={404: ("subject_not_found", "schema_not_found")}),
    _operation("GET", _V, "listVersions", api.list_versions, "Numbers of versions.", answer=list[int],
               query=("deleted", "deletedOnly", *_PAGE), problems=_NO_SUBJECT),
    _operation("POST", _V, "registerSchema", api.register, "Register a schema, if it is compatible.",
               answer=VersionAnswer, scopes=_PUBLISHER, body=RegisterRequest, query=("normalize",),
               problems=_REGISTERED),
    _operation("GET", _ONE, "getVersion", api.get_version, "A version with its schema.", answer=VersionAnswer,
               query=("deleted",), problems=_NO_VERSION),
    _operation("DELETE", _ONE, "deleteVersion", api.delete_version, "Delete a version, softly or for good.",
               answer=int, scopes=_OPERATOR, query=("permanent",), problems=_VERSION_DELETED),
    _operation("GET", f"{_ONE}/schema", "getVersionSchema", api.get_version_schema, "The schema alone.",
               answer=Any, query=("deleted",), problems=_NO_VERSION),
    _operation("GET", f"{_ONE}/referencedby", "listReferrers", api.list_referrers,
               "Ids of schemas that use this version.", answer=list[int], query=_PAGE, problems=_NO_VERSION),
)  # fmt: skip
_SCHEMAS: Final = (
    _operation("GET", "/schemas/types", "listSchemaTypes", api.list_types, "Schema types.", answer=list[str]),
    _operation("GET", _ID, "getSchema", api.get_schema, "A schema by id.", answer=VersionAnswer | SchemaAnswer,
               query=("subject", "fetchMaxId"), problems=_NO_SCHEMA),
    _operation("GET", f"{_ID}/schema", "getRawSchema", api.get_raw_schema, "The schema alone.", answer=Any,
               problems=_NO_SCHEMA),
    _operation("GET", f"{_ID}/subjects", "listHoldingSubjects", api.list_holding_subjects,
               "Subjects that have the schema.", answer=list[str], query=("subject", "deleted", *_PAGE),
               problems=_NO_SCHEMA),
    _operation("GET", f"{_ID}/versions", "listHolders", api.list_holders, "Versions that have the schema.",
               answer=list[VersionName], query=("subject", "deleted", *_PAGE), problems=_NO_SCHEMA),
    _operation("GET", "/schemas/guids/{guid}", "getSchemaByGuid", api.get_by_guid, "A schema by its guid.",
               answer=SchemaAnswer, problems=_NO_SCHEMA),
)  # fmt: skip
_JUDGED: Final = {404: ("subject_not_found", "version_not_found"), 422: ("bad_schema", "bad_version")}
_RULES: Final = (
    _operation("POST", _CHECK, "checkCompatibility", api.check,
               "Whether a schema may follow, by the subject's mode.", answer=Compatibility, body=SchemaRequest,
               query=("normalize", "verbose"), problems={422: ("bad_schema",)}),
    _operation("POST", f"{_CHECK}/{{version}}", "checkCompatibilityWith", api.check,
               "Whether a schema may follow one version.", answer=Compatibility, body=SchemaRequest,
               query=("normalize", "verbose"), problems=_JUDGED),
    *(
        operation
        for path, whose, of in (("", "Global", "everybody"), ("/{subject}", "Subject", "a subject"))
        for operation in (
            _operation("GET", f"/config{path}", f"get{whose}Config", api.get_config, f"Configuration of {of}.",
                       answer=Config, query=("defaultToGlobal",) if path else (),
                       problems={404: ("config_not_set",)} if path else None),
            _operation("PUT", f"/config{path}", f"put{whose}Config", api.put_config,
                       f"Set the configuration of {of}.", answer=dict[str, Any], scopes=_OPERATOR,
                       body=dict[str, Any], problems={422: ("bad_mode", "bad_subject")}),
            _operation("DELETE", f"/config{path}", f"delete{whose}Config", api.delete_config,
                       f"Drop the configuration of {of}.", answer=Config, scopes=_OPERATOR,
                       problems={404: ("config_not_set",)} if path else None),
            _operation("GET", f"/mode{path}", f"get{whose}Mode", api.get_mode, f"Mode of {of}.", answer=Mode,
                       query=("defaultToGlobal",) if path else (),
                       problems={404: ("mode_not_set",)} if path else None),
            _operation("PUT", f"/mode{path}", f"put{whose}Mode", api.put_mode, f"Set the mode of {of}.",
                       answer=Mode, scopes=_OPERATOR, body=Mode, query=("force",),
                       problems={422: ("bad_registry_mode", "bad_subject", "not_permitted")}),
        )
    ),
    _operation("DELETE", "/mode/{subject}", "deleteSubjectMode", api.delete_mode, "Drop the mode of a subject.",
               answer=Mode, scopes=_OPERATOR, problems={404: ("mode_not_set",)}),
)  # fmt: skip
_ASSOCIATED: Final = (
    _operation("GET", "/associations/resources/{namespace}/{resource}", "listAssociations", api.no_association,
               "None is kept; serializers then name subjects by topic.", answer=None,
               problems={404: ("not_found",)}),
)  # fmt: skip
_ABSENT: Final = tuple(
    _operation(method, path, name, api.not_there, "Not implemented here.", answer=None,
               problems={501: ("not_implemented",)})
    for method, path, name in (
        ("GET", "/contexts", "listContexts"),
        ("POST", "/associations", "createAssociation"),
        ("DELETE", "/associations/resources/{resource}", "deleteAssociations"),
        ("GET", "/exporters", "listExporters"),
        ("POST", "/exporters", "createExporter"),
        ("GET", "/exporters/{name}", "getExporter"),
        ("PUT", "/exporters/{name}", "putExporter"),
        ("DELETE", "/exporters/{name}", "deleteExporter"),
    )
)  # fmt: skip

OPERATIONS: Final = (*_SUBJECTS, *_SCHEMAS, *_RULES, *_ASSOCIATED, *_ABSENT)
"""Every operation under ``/api/contracts``."""
