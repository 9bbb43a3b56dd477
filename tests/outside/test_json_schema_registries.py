"""The verdicts that other registries publish for pairs of JSON Schemas."""

import json
import re

import pytest

from maestro.lake.contracts import check

APICURIO = "registries/apicurio/compatibility-test-data.json"
EXAMPLES = "registries/confluent"
"""Its files are named ``diff-…-examples….json``."""


def read(path):
    """Their readers let a comma stand before a closing bracket."""
    return json.loads(re.sub(r",(\s*[}\]])", r"\1", path.read_text("utf-8")))


def compatible(new, old):
    return check(json.dumps(new), json.dumps(old), "BACKWARD", "json-schema").compatible


@pytest.mark.outside(data=APICURIO)
def test_apicurio_agrees(outside_data):
    cases = read(outside_data / APICURIO)["tests"]
    assert len(cases) >= 145
    wrong = []
    for case in cases:
        old, new = case["original"], case["updated"]
        there, back = compatible(new, old), compatible(old, new)
        found = {(True, True): "both", (True, False): "backward", (False, True): "forward"}.get(
            (there, back), "none"
        )
        if found != case["compatibility"]:
            wrong.append((case["id"], case["compatibility"], found))
    assert wrong == []


@pytest.mark.outside(data=EXAMPLES)
def test_the_fields_registry_agrees(outside_data):
    cases = [case for file in sorted((outside_data / EXAMPLES).glob("diff-*.json")) for case in read(file)]
    assert len(cases) >= 263
    wrong = [
        case["description"]
        for case in cases
        if compatible(case["update_schema"], case["original_schema"]) != case["compatible"]
    ]
    assert wrong == []
