import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import attrs
import pytest

from maestro_sidecar.cli import main


@attrs.frozen
class Answer:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def document(self):
        """The one document on stdout; anything beside it fails."""
        return json.loads(self.out)


@pytest.fixture
def maestro(capsys):
    """`maestro("limits", "replay", path)` runs the command in this process."""

    def run(*arguments):
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return Answer(code, captured.out, captured.err)

    return run


@pytest.fixture
def written(tmp_path):
    """`written("limits.json", {...})` is the path of a file with that JSON, or those bytes."""

    def write(name, content) -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return path

    return write


@pytest.fixture
def refused(maestro):
    """Run what must be refused as bad input, both ways: a line on stderr, and a problem document."""

    def run(*arguments):
        plain = maestro(*arguments)
        assert (plain.code, plain.out) == (2, "")
        assert len(plain.err.splitlines()) == 1
        asked = maestro(*arguments, "--json")
        assert (asked.code, asked.err) == (2, "")
        problem = asked.document
        assert {"type", "title", "status", "code", "detail"} <= problem.keys()
        assert problem["type"] == f"urn:maestro:problem:{problem['code']}"
        assert problem["detail"].rstrip(".") in plain.err
        return problem

    return run


@pytest.fixture
def example(maestro, tmp_path):
    """Run the example of a command's help as it stands there, in an empty folder."""

    def run(*command, environment=()):
        text = dedent(maestro(*command, "--help").out.split("example:\n")[1])
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=tmp_path,
            env={**os.environ, "PATH": path, **dict(environment)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run
