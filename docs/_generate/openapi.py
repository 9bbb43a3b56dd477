"""docs/reference/openapi.json: what the sidecar serves at /openapi.json."""

from maestro_sidecar.openapi import document_text


def render() -> dict[str, str]:
    return {"docs/reference/openapi.json": document_text()}
