"""Policies that nobody here wrote: a public library for admission control and infrastructure code, by both engines.

The library comes with its Go module, as OPA does. Its own tests bring inputs made for each policy; drawn manifests are
put to the policies as well. By default one policy in twelve is asked; `MAESTRO_REGO_LIBRARY=all` asks every one.
"""

import json
import os
import random
import re
import subprocess

import pytest

from maestro.rego import UNDEFINED, EvaluationError, compile_plan
from maestro.rego.builtins import standard
from maestro.rego.builtins.registry import Family

pytestmark = pytest.mark.services

EVERY = 1 if os.environ.get("MAESTRO_REGO_LIBRARY") == "all" else 12
NOW = 1_767_225_600_000_000_000
# Functions of the program they were written for that have no stand-in, in planner/library.go and here.
FOREIGN = re.compile(r"\b(?:cidr|sh|squealer)\.\w+\(")
TEST = re.compile(r"^(test_\w+)", re.MULTILINE)
PACKAGE = re.compile(r"^package\s+([\w.]+)", re.MULTILINE)
DENY = re.compile(r"^deny\b", re.MULTILINE)

family = Family()


@family.builtin("result.new")
def new(message, cause):
    return {"msg": message, "cause": cause}


@family.builtin("isManaged")
def managed(_):
    return True


@pytest.fixture(scope="module")
def library(rego_planner):
    done = subprocess.run([rego_planner / "planner", "library"], capture_output=True, check=True)
    return {name: text for name, text in json.loads(done.stdout).items() if not FOREIGN.search(text)}


def manifest(draw):
    """A manifest of Kubernetes, odd in the places that policies look at."""
    pick, chance = draw.choice, draw.random

    def maybe(**fields):
        return {name: value for name, value in fields.items() if chance() < 0.5}

    def container():
        context = maybe(
            privileged=pick([True, False, "true"]),
            runAsNonRoot=pick([True, False]),
            runAsUser=pick([0, 1, 10_001, "1000"]),
            readOnlyRootFilesystem=pick([True, False]),
            allowPrivilegeEscalation=pick([True, False]),
            capabilities=maybe(add=["SYS_ADMIN", "NET_RAW"], drop=pick([["ALL"], ["all", "NET_RAW"], []])),
        )
        limits = maybe(cpu=pick(["500m", "1", 2]), memory=pick(["128Mi", "1Gi", "1e3k"]))
        image = pick(["nginx", "nginx:latest", "gcr.io/a/b:1.2", "docker.io/x@sha256:ab", ""])
        ports = [maybe(hostPort=pick([80, 0]), containerPort=22)]
        found = maybe(
            image=image, ports=ports, securityContext=context, resources=maybe(limits=limits, requests=limits)
        )
        return {"name": pick(["a", "b"]), **found}

    spec = maybe(
        hostNetwork=pick([True, False]),
        hostPID=pick([True, False]),
        hostIPC=True,
        serviceAccountName=pick(["default", "x"]),
        automountServiceAccountToken=pick([True, False]),
        volumes=[{"name": "v", "hostPath": {"path": pick(["/", "/var/run/docker.sock"])}}],
        initContainers=[container()],
    )
    spec["containers"] = [container() for _ in range(draw.randrange(3))]
    kind = pick(
        [
            "Pod",
            "Deployment",
            "CronJob",
            "Role",
            "ClusterRoleBinding",
            "Service",
            "NetworkPolicy",
            "ConfigMap",
        ]
    )
    below = {
        "Pod": {"spec": spec},
        "Deployment": {"spec": {"template": {"spec": spec}}},
        "CronJob": {"spec": {"jobTemplate": {"spec": {"template": {"spec": spec}}}}},
        "Role": {
            "rules": [
                maybe(
                    verbs=pick([["*"], ["get", "list"]]),
                    resources=pick([["*"], ["secrets", "pods"]]),
                    apiGroups=["*"],
                )
            ]
        },
        "ClusterRoleBinding": {
            "roleRef": {"name": pick(["cluster-admin", "x"])},
            "subjects": [{"name": pick(["system:anonymous", "u"])}],
        },
    }.get(kind, maybe(spec=spec, data={"k": pick(["v", "password=1"])}))
    metadata = maybe(
        name="n", namespace=pick(["kube-system", "default"]), labels={"app": "x"}, annotations={"a": "b"}
    )
    return {"apiVersion": pick(["v1", "apps/v1", "batch/v1"]), "kind": kind, "metadata": metadata, **below}


def entrypoints(texts):
    for text in texts:
        package = PACKAGE.search(text)[1].replace(".", "/")
        yield from (f"{package}/{name}" for name in sorted(set(TEST.findall(text))))
        if DENY.search(text):
            yield f"{package}/deny"


def answers(plan, asked, inputs):
    """What is said here, in the form of the oracle's answers."""
    program = compile_plan(json.dumps(plan).encode(), registry=standard().extended(family))
    for entrypoint in asked:
        row = []
        for given in inputs:
            try:
                value = program.evaluate(entrypoint, given, now=NOW)
                row.append({} if value is UNDEFINED else {"result": value})
            except EvaluationError as error:
                row.append({"code": error.code})
        yield row


def told(outcome):
    return (
        {"code": outcome["code"]}
        if "code" in outcome
        else {k: v for k, v in outcome.items() if k == "result"}
    )


def test_public_policies_decide_here_as_in_opa(library, oracle):
    shared = {name: text for name, text in library.items() if name.startswith("lib/") and "_test" not in name}
    checks = sorted(name for name in library if name.startswith("checks/") and "_test" not in name)
    draw = random.Random(7)
    asked = faults = planned = 0
    for name in checks[::EVERY]:
        test = name.replace(".rego", "_test.rego")
        own = {one: library[one] for one in (name, test) if one in library}
        paths = list(entrypoints(own.values()))
        if not paths:
            continue
        inputs = [manifest(draw) for _ in range(5)]
        said = oracle.ask(modules={**shared, **own}, entrypoints=paths, inputs=inputs, now=NOW)
        if "refused" in said:
            assert "undefined" in said["refused"] or "unsafe" in said["refused"], said["refused"]
            continue
        planned += 1
        for theirs, here in zip(said["results"], answers(said["plan"], paths, inputs), strict=True):
            asked += len(here)
            faults += [told(one) for one in theirs] != here
    assert planned > 0.9 * len(checks[::EVERY])
    assert asked > 15 * planned
    assert faults == 0
