"""A command whose third-party drivers are missing says which extra brings them, and does nothing else."""

import json
import subprocess
import sys

import pytest

from maestro_sidecar.cli.extras import needs_extra

WITHOUT = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {missing!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocker())
from maestro_sidecar.cli import main
sys.exit(main({arguments!r}))
"""


def without(missing, *arguments):
    code = WITHOUT.format(missing=missing, arguments=arguments)
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    ("missing", "arguments", "extra"),
    [
        (["starlette", "uvicorn"], ["serve"], "sidecar"),
        (["uvicorn"], ["serve"], "sidecar"),
        (["starlette", "uvicorn"], ["demo", "--serve"], "sidecar"),
        (["hypothesis"], ["conformance", "a:b"], "testing"),
        (["tuf"], ["edge", "keygen", "keys"], "edge"),
        (["zstandard"], ["edge", "inspect", "bundle.tar.gz"], "edge"),
        (["deltalake"], ["lake", "status", "t"], "delta"),
        (["pyarrow"], ["lake", "merge", "a", "t"], "delta"),
        (["deltalake"], ["lake", "sql", "t"], "delta"),
        (["deltalake"], ["lake", "verify", "a", "t"], "delta"),
        (["pyiceberg"], ["lake", "merge", "a", "t", "--engine", "iceberg"], "iceberg"),
        (["pyspark"], ["lake", "merge", "a", "t", "--engine", "spark", "--endpoint", "sc://x"], "spark"),
    ],
)
def test_the_extra_is_named(missing, arguments, extra):
    done = without(missing, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert f"pip install 'maestro-conductor[{extra}]'" in done.stderr
    problem = json.loads(without(missing, *arguments, "--json").stdout)
    assert problem["code"] == "missing_extra"
    assert problem["field"].startswith(f"maestro {arguments[0]}")


def test_commands_that_need_no_extra_run_without_any(tmp_path):
    (tmp_path / "l.json").write_text('{"tenant": "acme"}')
    (tmp_path / "r.json").write_text('{"tenant": "acme", "package": "a"}')
    every = ["hypothesis", "httptools", "prometheus_client", "starlette", "uvicorn", "uvloop"]
    files = ["--limits", str(tmp_path / "l.json"), "--request", str(tmp_path / "r.json")]
    done = without(every, "limits", "explain", *files)
    assert (done.returncode, done.stderr) == (0, "")
    done = without(every, "demo", "--runs", "1")
    assert done.returncode == 0


def test_a_module_of_ours_that_is_missing_is_a_defect():
    with pytest.raises(ImportError), needs_extra("sidecar", "maestro serve"):
        raise ModuleNotFoundError(name="maestro_sidecar.server")


def test_a_driver_that_does_not_say_its_name(maestro):
    from maestro.kernel.errors import BadInputError

    with pytest.raises(BadInputError, match="a module"), needs_extra("sidecar", "maestro serve"):
        raise ImportError("a shared library is missing")
