"""The command line as a whole: codes, one line of error, one document, no traceback, a light start."""

import argparse
import io
import os
import subprocess
import sys
from importlib.metadata import version

import pytest

from maestro.kernel.errors import PortError
from maestro_sidecar import cli
from maestro_sidecar.cli import answers, commands
from maestro_sidecar.cli.parsing import Parser


def started(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **options)


def every_parser(parser=None):
    """The parser and all below it."""
    parser = parser or commands.command_line()
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from every_parser(below)


def leaves():
    return [parser for parser in every_parser() if parser.get_default("run")]


@pytest.fixture
def command(monkeypatch):
    """`command(function)` makes `maestro replaced` run it."""

    def replace(function):
        def line():
            parser = Parser(prog="maestro")
            below = parser.add_subparsers().add_parser("replaced")
            below.add_argument("--json", action="store_true")
            below.set_defaults(run=function)
            return parser

        monkeypatch.setattr(cli, "command_line", line)

    return replace


def test_the_commands_are_those_that_are_built():
    assert {parser.prog for parser in leaves()} == {
        "maestro demo",
        "maestro serve",
        "maestro limits explain",
        "maestro limits replay",
        "maestro audit verify",
        "maestro audit export",
        "maestro audit prove",
        "maestro audit record",
        "maestro audit keygen",
        "maestro contracts check",
        "maestro contracts register",
        "maestro contracts log",
        "maestro policy eval",
        "maestro policy test",
        "maestro policy bench",
        "maestro policy show-code",
        "maestro edge keygen",
        "maestro edge publish",
        "maestro edge refresh",
        "maestro edge rotate",
        "maestro edge delta",
        "maestro edge apply-delta",
        "maestro edge inspect",
        "maestro edge verify",
        "maestro edge serve-repo",
        "maestro edge status",
        "maestro edge poll",
        "maestro edge pin",
        "maestro edge unpin",
        "maestro edge clock-reset",
        "maestro lake merge",
        "maestro lake backfill",
        "maestro lake follow",
        "maestro lake verify",
        "maestro lake sql",
        "maestro lake status",
        "maestro gameday list",
        "maestro gameday run",
        "maestro conformance",
    }


@pytest.mark.parametrize("parser", list(every_parser()), ids=lambda parser: parser.prog)
def test_help_has_an_example_and_fits(parser, maestro):
    answer = maestro(*parser.prog.split()[1:], "--help")
    assert (answer.code, answer.err) == (0, "")
    assert "example:\n  " in answer.out
    assert max(map(len, answer.out.splitlines())) <= 96


@pytest.mark.parametrize("parser", leaves(), ids=lambda parser: parser.prog)
def test_every_command_has_json(parser):
    assert any("--json" in action.option_strings for action in parser._actions)


def test_version(maestro):
    assert maestro("--version").out == f"maestro {version('maestro-conductor')}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("nonsense",),
        ("limits",),
        ("limits", "explain"),
        ("limits", "explain", "--limit", "abbreviated"),
        ("demo", "--runs", "many"),
        ("serve", "--log-level", "loud"),
    ],
    ids=" ".join,
)
def test_bad_usage_is_told_with_the_help_to_read(arguments, refused):
    assert "--help" in refused(*arguments)["remedy"]


def test_both_ways_in_are_one():
    module = started(sys.executable, "-m", "maestro_sidecar", "--version")
    assert module.returncode == 0
    assert module.stdout == f"maestro {version('maestro-conductor')}\n"


def test_help_loads_neither_server_nor_kit_nor_store():
    code = """
import sys
from maestro_sidecar.cli import main
main(["--help"])
main(["limits", "explain", "--help"])
heavy = {"asyncio", "hypothesis", "msgspec", "sqlite3", "starlette", "subprocess", "uvicorn"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    # Coverage, which would start in this process too, loads half of the list itself.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    done = started(sys.executable, "-I", "-c", code, env=environment)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_failure_of_a_port_is_ours(command, maestro):
    def fails(_):
        raise PortError("The disk is gone.", remedy="Put it back.")

    command(fails)
    answer = maestro("replaced")
    assert (answer.code, answer.out, answer.err) == (1, "", "maestro: The disk is gone. Put it back.\n")
    problem = maestro("replaced", "--json")
    assert (problem.code, problem.err) == (1, "")
    assert problem.document["code"] == "port_failed"
    assert problem.document["retryAfter"] == 1.0


def test_a_defect_is_one_line_with_its_place(command, maestro):
    def fails(_):
        return {}["no\nsuch"]

    command(fails)
    answer = maestro("replaced")
    assert answer.code == 1
    assert len(answer.err.splitlines()) == 1
    assert "internal error: KeyError" in answer.err
    assert "test_main.py:" in answer.err
    problem = maestro("replaced", "--json").document
    assert (problem["status"], problem["code"]) == (500, "internal")


def test_a_defect_without_a_place_is_told_too(capsys):
    answers.tell_defect(ValueError("x"), as_json=False)
    assert "internal error: ValueError: x;" in capsys.readouterr().err


def test_ctrl_c_ends_quietly(command, maestro):
    def interrupted(_):
        raise KeyboardInterrupt

    command(interrupted)
    answer = maestro("replaced")
    assert (answer.code, answer.out, answer.err) == (130, "", "")


def test_a_reader_that_goes_away_is_no_error(written):
    limits = written("l.json", {"tenant": "acme"})
    request = written("r.json", {"tenant": "acme", "package": "a"})
    line = f"'{sys.executable}' -m maestro_sidecar limits explain --limits {limits} --request {request} --calendar 90"
    # The reader closes before anything is written, because the writer waits for it.
    done = started("bash", "-c", f"(sleep 1; {line}; echo $? >&2) | true")
    assert done.stderr == "141\n"


def test_a_stdout_that_is_no_file_can_be_abandoned(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    answers.abandon_stdout()


def test_a_reader_that_goes_away_within_the_command(command, maestro, monkeypatch):
    def unread(_):
        raise BrokenPipeError

    command(unread)
    monkeypatch.setattr(answers, "abandon_stdout", lambda: None)
    assert maestro("replaced").code == 141
