"""`maestro conformance` as an author of an adapter meets it. What the kit finds is tests/conformance's business."""

import sys

import pytest

from maestro.testing.conformance import Failure, Report, planted
from maestro_sidecar.cli.conformance import load_factory

REPORT = {"port", "capabilities", "ran", "failed", "refused", "seconds"}


@pytest.fixture
def module(tmp_path, monkeypatch):
    """`module(text)` writes mine.py into the current directory, importable by nothing but the command's own doing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    sys.modules.pop("mine", None)
    yield (tmp_path / "mine.py").write_text
    sys.modules.pop("mine", None)


SOUND = """
from maestro_adapters.inprocess import InProcessDocuments

class Made:
    @staticmethod
    def make(clock, folder):
        return InProcessDocuments()
"""
FORGETFUL = """
from maestro_adapters.inprocess import InProcessDocuments

class Forgetful(InProcessDocuments):
    def history(self, kind, tenant, limit=100):
        return ()

def make(clock, folder):
    return Forgetful()
"""


def test_a_sound_adapter_passes(maestro, module):
    module(SOUND)
    answer = maestro("conformance", "mine:Made.make", "--json")
    assert answer.code == 0
    report = answer.document
    assert report.keys() == REPORT | {"failures"}
    assert (report["port"], report["failed"]) == ("documents", 0)
    assert report["ran"] > 0
    assert answer.err.startswith("running every check on mine:Made.make")


def test_a_broken_adapter_does_not(maestro, module):
    module(FORGETFUL)
    answer = maestro("conformance", "mine:make")
    assert answer.code == 3
    assert "port          documents\n" in answer.out
    assert "\ntest_" in answer.out


def test_when_nothing_ran_the_answer_is_no(maestro, module, monkeypatch):
    nothing = Report("documents", [], 0, 0, 0, 0.0)
    monkeypatch.setattr("maestro.testing.conformance.run_conformance", lambda _: nothing)
    module(SOUND)
    assert maestro("conformance", "mine:Made.make").code == 3


def test_the_kit_judges_itself(maestro, monkeypatch):
    missed = Report("self-test", [], 3, 1, 0, 0.0, [Failure("Bug", "its bug was not caught")])
    monkeypatch.setattr(planted, "self_test", lambda: missed)
    answer = maestro("conformance", "--self-test", "--json")
    assert (answer.code, answer.document["failed"]) == (3, 1)


@pytest.mark.parametrize(
    "name",
    ["mine", "mine:", ":make", "no_such_module:make", "mine:no_such", "mine:number", "mine:Made.make.x"],
)
def test_what_cannot_be_found(name, module, refused):
    module(f"{SOUND}\nnumber = 1")
    problem = refused("conformance", name)
    assert (problem["field"], problem["value"]) == ("MODULE:FACTORY", name)


def test_a_module_that_fails_to_import_is_told(module, refused):
    module("1 / 0")
    assert "ZeroDivisionError" in refused("conformance", "mine:make")["detail"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def make():\n    return None", "TypeError"),
        ("def make(clock, folder):\n    return object()", "no store of a known port"),
    ],
)
def test_a_factory_of_another_shape_is_told(text, told, module, maestro):
    module(text)
    answer = maestro("conformance", "mine:make", "--json")
    assert answer.code == 2
    assert told in answer.document["detail"]


def test_one_of_both_is_asked_for(refused, module):
    module(SOUND)
    assert "required" in refused("conformance")["detail"]
    assert "not allowed" in refused("conformance", "mine:Made.make", "--self-test")["detail"]


def test_the_current_directory_is_looked_in_once(module):
    module(SOUND)
    load_factory("mine:Made.make")
    before = list(sys.path)
    load_factory("mine:Made.make")
    assert sys.path == before


def test_stores_are_closed(module, maestro, monkeypatch):
    monkeypatch.setattr(
        "maestro.testing.conformance.run_conformance", lambda _: Report("documents", [], 1, 0, 0, 0.0)
    )
    module(
        "closed = []\n"
        "class Store:\n    def close(self): closed.append(1)\n"
        "def make(clock, folder): return Store()"
    )
    assert maestro("conformance", "mine:make").code == 0
    assert sys.modules["mine"].closed == [1]


def test_the_example_of_the_help_runs(example):
    done = example("conformance")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "failed        0\n" in done.stdout
