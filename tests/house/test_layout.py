"""The four packages, their rooms and what ends up in the wheel (ADR-1101)."""

import subprocess
import sys
import zipfile

import pytest

from house.tree import PACKAGES, ROOT, project


@pytest.mark.parametrize("name", PACKAGES)
def test_each_package_is_typed_and_alone_in_its_root(name):
    folder = PACKAGES[name]
    assert (folder / "py.typed").is_file()
    # An editable install puts the root on sys.path: anything else in it would become importable by accident.
    beside = {path.name for path in folder.parent.iterdir() if path.name[0] not in "._"}
    assert beside == {name}


def test_every_room_has_a_layer():
    contracts = project()["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["id"] == "layers")
    named = {room.strip(" ()") for layer in layers for room in layer.split("|")}
    rooms = {f"maestro.{path.parent.name}" for path in PACKAGES["maestro"].glob("*/__init__.py")}
    assert rooms <= named
    modules = {path.stem for path in PACKAGES["maestro"].glob("*.py")} - {"__init__"}
    assert not modules, "a module beside the rooms has no layer; give it a room"


def test_few_rules_are_off_and_each_has_a_reason():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    block = text.split("\nignore = [\n", 1)[1].split("\n]\n", 1)[0].splitlines()
    assert len(block) == len(project()["tool"]["ruff"]["lint"]["ignore"]) <= 25
    assert all("# " in line for line in block)


def test_every_noqa_and_type_ignore_names_its_rule():
    bare = []
    for folder in PACKAGES.values():
        for path in folder.rglob("*.py"):
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                for mark in ("# noqa", "# type: ignore", "# pragma: no cover"):
                    rest = line.partition(mark)[2]
                    named = rest.startswith("[" if "type" in mark else ":") or (rest and "pragma" in mark)
                    if mark in line and not named:
                        bare.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert not bare, "say which rule, and why"


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory):
    out = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, text=True)
    (wheel,) = out.glob("*.whl")
    return zipfile.ZipFile(wheel).namelist()


def test_the_wheel_holds_the_four_packages_and_nothing_else(wheel_names):
    assert {name.split("/")[0] for name in wheel_names} == {*PACKAGES, metadata(wheel_names)}
    assert {f"{name}/py.typed" for name in PACKAGES} <= set(wheel_names)
    assert f"{metadata(wheel_names)}/licenses/LICENSE" in wheel_names


def test_the_wheel_holds_every_shipped_file(wheel_names):
    # Data too: Rego, SQL and HTML that a wheel forgets work in the checkout and nowhere else.
    here = {
        f"{name}/{path.relative_to(folder).as_posix()}"
        for name, folder in PACKAGES.items()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert here == {name for name in wheel_names if name.split("/")[0] in PACKAGES}


def metadata(names):
    return next(name.split("/")[0] for name in names if name.endswith("/METADATA"))
