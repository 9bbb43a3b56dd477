"""OPA's own compliance cases: planned by OPA, evaluated here. What is left out is listed, with its reason."""

import json
import os
from pathlib import Path

import pytest

from rego_cases.judging import REASONS, account, verdicts

LEFT_OUT = Path(__file__).parent / "left_out.json"

pytestmark = [
    pytest.mark.xdist_group("rego_cases"),  # judged once for all of them
    pytest.mark.services,
    # One of OPA's certificates has the serial number 0, which its library may refuse one day.
    pytest.mark.filterwarnings("ignore:Parsed a serial number"),
]


@pytest.fixture(scope="module")
def judged(opa_cases):
    return verdicts(opa_cases)


def test_every_case_that_is_not_listed_passes(judged):
    faults = [
        f"{folder}: {note}: {why}"
        for folder, notes in judged.items()
        for note, why in notes.items()
        if why is not None and why not in REASONS
    ]
    assert not faults


def test_the_list_of_what_is_left_out_is_the_page_s(judged):
    found = account(judged)
    if os.environ.get("MAESTRO_WRITE_LEFT_OUT"):
        LEFT_OUT.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    listed = json.loads(LEFT_OUT.read_text(encoding="utf-8"))
    assert found == listed, (
        "run MAESTRO_WRITE_LEFT_OUT=1 pytest tests/rego_cases/test_cases.py, then make docs"
    )


def test_there_are_as_many_cases_as_opa_has(judged):
    assert sum(map(len, judged.values())) == 2400
    assert len(judged) == 147
