"""`maestro gameday` on the command line."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from cli.test_extras import without
from maestro_sidecar.cli import main
from maestro_sidecar.gameday import catalog

# Also where the tests themselves were started in the background, which ignores Ctrl-C.
HEARS_CTRL_C = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from maestro_sidecar.cli import main
sys.exit(main())
"""
SHORT = ["--set", "requests=6", "--set", "ttlSeconds=1", "--set", "cap=1"]


def told(capsys, *arguments):
    code = main(["gameday", *arguments])
    return code, capsys.readouterr()


def test_the_list(capsys):
    code, printed = told(capsys, "list")
    assert code == 0
    assert "settings: requests=500 opensIn=6 runs=150 cap=4\n" in printed.out
    assert "MAESTRO_REDIS" in printed.out
    code, printed = told(capsys, "list", "--json")
    drills = json.loads(printed.out)["drills"]
    assert [drill["name"] for drill in drills] == list(catalog.NAMES)


@pytest.mark.xdist_group("gameday")
def test_a_drill_and_its_document(capsys, tmp_path):
    folder = tmp_path / "new" / "evidence"
    code, printed = told(capsys, "run", "store-loss", "--evidence", str(folder), "--json", *SHORT)
    document = json.loads(printed.out)
    assert code == 0, document
    assert {
        name: document[name] for name in ("name", "steadyBefore", "steadyAfter", "passed", "evidence")
    } == {
        "name": "store-loss",
        "steadyBefore": True,
        "steadyAfter": True,
        "passed": True,
        "evidence": str(folder),
    }
    assert [step["name"] for step in document["steps"] if step["phase"] == "rollback"] == [
        "bring the store back"
    ]
    assert "lose the store" in printed.err
    assert {path.name for path in folder.iterdir()} == {"journal.json", "report.md", "timeline.svg"}


@pytest.mark.xdist_group("gameday")
def test_a_drill_that_deviates_is_a_no(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "maestro_sidecar.gameday.drills.store_loss.recover", lambda: current().fault("broken")
    )
    from maestro_sidecar.gameday.stage import current

    code, printed = told(capsys, "run", "store-loss", "--evidence", str(tmp_path), *SHORT)
    assert code == 3
    assert printed.out.startswith("store-loss: deviated after ")
    assert "\n  broken\n" in printed.out


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (["run", "no-such"], "NAME"),
        (["run", "store-loss", "--set", "requests"], "--set"),
        (["run", "store-loss", "--set", "color=red"], "--set"),
        (["run", "store-loss", "--evidence", "file"], "--evidence"),
        (["run", "store-loss", "--evidence", "a\0b"], "--evidence"),
        (["run", "two-nodes"], "MAESTRO_REDIS"),
        (["run"], "maestro gameday run"),
    ],
)
def test_bad_usage(capsys, tmp_path, monkeypatch, arguments, field):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MAESTRO_REDIS", raising=False)
    (tmp_path / "file").write_text("")
    code, printed = told(capsys, *arguments, "--json")
    assert (code, json.loads(printed.out)["field"]) == (2, field)
    assert not list(tmp_path.glob("evidence/*/report.md"))


def test_without_chaos_toolkit_the_extra_is_named():
    done = without(["chaoslib"], "gameday", "run", "store-loss")
    assert (done.returncode, done.stdout) == (2, "")
    assert "pip install 'maestro-conductor[gameday]'" in done.stderr


def test_the_list_needs_no_extra():
    assert without(["chaoslib", "starlette", "uvicorn"], "gameday", "list").returncode == 0


@pytest.mark.xdist_group("gameday")
def test_ctrl_c_rolls_back_and_leaves_no_process(tmp_path):
    arguments = ["gameday", "run", "run-window-burst", "--evidence", str(tmp_path)]
    running = subprocess.Popen(
        [sys.executable, "-c", HEARS_CTRL_C, *arguments],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    for line in running.stderr:
        if "wait as advised" in line:
            break
    parts = subprocess.run(
        ["pgrep", "-P", str(running.pid)], capture_output=True, text=True, check=True
    ).stdout.split()
    assert parts
    time.sleep(0.3)
    running.send_signal(signal.SIGINT)
    rest = running.stderr.read()
    assert running.wait(20) == 130
    running.stderr.close()
    assert "take the windows away" in rest
    assert "interrupted" in (tmp_path / "report.md").read_text().splitlines()[0]
    for pid in parts:
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)
