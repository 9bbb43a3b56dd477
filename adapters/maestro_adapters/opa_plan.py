"""OPA's compiler at the publisher: the plan (intermediate representation) of a bundle's policies, by the ``opa`` program."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from maestro.formats.opa_bundle import PLAN
from maestro.kernel.errors import BadInputError

__all__ = ["find_opa", "plan_of"]

_SECONDS = 300.0


def find_opa() -> str | None:
    """The path of ``opa``, or None."""
    return shutil.which("opa")


def plan_of(opa: str, content: Mapping[str, bytes]) -> bytes | None:
    """The plan with every package and every rule as an entrypoint; None where there is no Rego.

    Raises:
        BadInputError: OPA does not compile the policies; its words are the message.
    """
    policies = [name for name in content if name.endswith(".rego")]
    if not policies:
        return None
    with tempfile.TemporaryDirectory(prefix="maestro-plan-") as folder:
        source, out = Path(folder, "source"), Path(folder, "plan.tar.gz")
        for name, each in content.items():
            if name != PLAN and not name.endswith(".manifest"):
                (source / name).parent.mkdir(parents=True, exist_ok=True)
                (source / name).write_bytes(each)
        entrypoints: set[str] = set()
        for name in policies:
            entrypoints.update(
                _entrypoints(json.loads(_run(opa, folder, "parse", "--format=json", f"source/{name}")))
            )
        named = [f"--entrypoint={each}" for each in sorted(entrypoints)]
        # By relative paths, which the plan repeats: the same policies give the same plan.
        _run(opa, folder, "build", "--target=plan", "--bundle", "source", *named, f"--output={out.name}")
        with tarfile.open(fileobj=BytesIO(out.read_bytes())) as archive:
            plan = archive.extractfile(f"/{PLAN}")
            return plan.read() if plan is not None else None


def _entrypoints(module: dict[str, Any]) -> Iterator[str]:
    """The module's package and its rules, up to the first variable in their names; functions are none."""
    package = [step["value"] for step in module["package"]["path"][1:]]
    if any("/" in step for step in package):
        return  # entrypoints are written with slashes
    yield "/".join(package)
    for rule in module.get("rules") or ():
        head = rule["head"]
        if "args" in head:
            continue
        first, *rest = head["ref"]
        path = [first["value"]]
        for step in rest:
            if step["type"] != "string" or "/" in step["value"]:
                break
            path.append(step["value"])
        yield "/".join([*package, *path])


def _run(opa: str, folder: str, *arguments: str) -> bytes:
    try:
        done = subprocess.run(  # noqa: S603 - a program of the publisher's own, without a shell
            [opa, *arguments], cwd=folder, capture_output=True, check=False, timeout=_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BadInputError(
            f"cannot be run: {error}.",
            field="opa",
            value=opa,
            remedy="Install it, or publish with --no-plan.",
        ) from error
    if done.returncode:
        words = " ".join((done.stderr or done.stdout).decode("utf-8", "replace").split())
        raise BadInputError(
            f"does not compile the policies: {words}.",
            field="opa",
            remedy="Correct them; 'opa check' finds the place.",
            code="policy_refused",
        )
    return done.stdout
