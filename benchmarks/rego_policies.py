"""Policies of the Rego benchmark, their data and inputs, and what a Python programmer would write instead."""

import json
from datetime import UTC, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import attrs

ZONES = (
    "America/Denver",
    "America/New_York",
    "America/Sao_Paulo",
    "Asia/Kolkata",
    "Asia/Tokyo",
    "Australia/Sydney",
    "Europe/Berlin",
    "UTC",
)
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WEEK = datetime(2026, 3, 23, tzinfo=UTC)


@attrs.frozen
class Policy:
    """One row of the table.

    Attributes:
        title: in the table.
        modules: Rego by file name.
        rule: path with slashes.
        data: base documents.
        inputs: documents, asked in turn.
        python: what answers the same, by hand; None where nobody would.
    """

    title: str
    modules: dict
    rule: str
    data: dict
    inputs: list
    python: object = None


WINDOWS = """package bench.windows

tenant := data.tenants[input.tenant]

moment := [input.ts, tenant.zone]

day := time.weekday(moment)

clock := time.clock(moment)

minute := (clock[0] * 60) + clock[1]

default open := false

open if {
	some window in tenant.windows
	day in window.days
	minute >= window.start
	minute < window.end
}
"""
CAPS = """package bench.caps

default cap := 10

cap := data.caps[input.package]

default free := false

free if input.running < cap
"""
MAIN = """package bench

import data.bench.caps
import data.bench.windows

denies contains "outside_run_window" if not windows.open

denies contains "package_cap" if not caps.free

decision := {"allowed": count(denies) == 0, "denies": denies, "cap": caps.cap}
"""


def windows_and_caps():
    random = Random(7)
    tenants = {
        f"t{n}": {
            "zone": random.choice(ZONES),
            "windows": [
                {
                    "days": random.sample(DAYS, random.randint(3, 7)),
                    "start": 60 * random.randrange(12),
                    "end": 60 * random.randrange(12, 24),
                }
                for _ in range(random.randint(1, 3))
            ],
        }
        for n in range(200)
    }
    caps = {f"ns{n % 20}/p{n}": random.randint(0, 5) for n in range(500)}
    inputs = [
        {
            "tenant": f"t{random.randrange(200)}",
            "package": f"ns{random.randrange(20)}/p{random.randrange(600)}",
            "running": random.randrange(6),
            "ts": (WEEK + timedelta(seconds=random.randrange(7 * 86_400)) - EPOCH)
            // timedelta(seconds=1)
            * 10**9,
        }
        for _ in range(1_000)
    ]
    zones = {name: ZoneInfo(name) for name in ZONES}

    def python(asked):
        tenant = tenants[asked["tenant"]]
        local = datetime.fromtimestamp(asked["ts"] // 10**9, zones[tenant["zone"]])
        day, minute = DAYS[local.weekday()], local.hour * 60 + local.minute
        denies = []
        if not any(day in one["days"] and one["start"] <= minute < one["end"] for one in tenant["windows"]):
            denies.append("outside_run_window")
        cap = caps.get(asked["package"], 10)
        if asked["running"] >= cap:
            denies.append("package_cap")
        return {"allowed": not denies, "denies": denies, "cap": cap}

    modules = {"main.rego": MAIN, "windows.rego": WINDOWS, "caps.rego": CAPS}
    return Policy(
        "windows + caps, 200 tenants, 500 caps",
        modules,
        "bench/decision",
        {"tenants": tenants, "caps": caps},
        inputs,
        python,
    )


def _rbac():
    random = Random(8)
    roles = {
        f"role{n}": [
            {"action": action, "kind": f"kind{random.randrange(50)}"}
            for action in random.sample(("read", "write", "list", "delete"), 2)
        ]
        for n in range(1_000)
    }
    bindings = [
        {"user": f"user{random.randrange(4_000)}", "role": f"role{random.randrange(1_000)}"}
        for _ in range(10_000)
    ]
    users = {}
    for binding in bindings:
        users.setdefault(binding["user"], []).append(binding["role"])
    inputs = [
        {
            "user": f"user{random.randrange(4_200)}",
            "action": random.choice(("read", "write")),
            "kind": f"kind{random.randrange(50)}",
        }
        for _ in range(1_000)
    ]
    return roles, bindings, users, inputs


GRANTS = """
default allow := false

allow if {
	%s
	some grant in data.roles[role]
	grant.action == input.action
	grant.kind == input.kind
}
"""


def rbac_by_user():
    roles, _, users, inputs = _rbac()

    def python(asked):
        return any(
            grant["action"] == asked["action"] and grant["kind"] == asked["kind"]
            for role in users.get(asked["user"], ())
            for grant in roles[role]
        )

    text = "package bench\n" + GRANTS % "some role in data.users[input.user]"
    return Policy(
        "RBAC, 1,000 roles, 10,000 bindings: by user",
        {"main.rego": text},
        "bench/allow",
        {"roles": roles, "users": users},
        inputs,
        python,
    )


def rbac_by_scan():
    roles, bindings, _, inputs = _rbac()

    def python(asked):
        user, action, kind = asked["user"], asked["action"], asked["kind"]
        return any(
            grant["action"] == action and grant["kind"] == kind
            for binding in bindings
            if binding["user"] == user
            for grant in roles[binding["role"]]
        )

    body = "some binding in data.bindings\n\tbinding.user == input.user\n\trole := binding.role"
    text = "package bench\n" + GRANTS % body
    return Policy(
        "the same: scan of the bindings",
        {"main.rego": text},
        "bench/allow",
        {"roles": roles, "bindings": bindings},
        inputs[:60],
        python,
    )


def rbac_by_index():
    roles, bindings, users, inputs = _rbac()
    by_user = rbac_by_user().python
    index = "roles_of[binding.user] contains binding.role if some binding in data.bindings\n"
    text = "package bench\n\n" + index + GRANTS % "some role in roles_of[input.user]"
    del users
    return Policy(
        "the same: index built in Rego",
        {"main.rego": text},
        "bench/allow",
        {"roles": roles, "bindings": bindings},
        inputs[:60],
        by_user,
    )


ADMISSION = """package bench

deny contains sprintf("%s: image %s is not from a trusted registry", [name, image]) if {
	some container in containers
	name := container.name
	image := container.image
	not trusted(image)
}

deny contains sprintf("%s: no %s limit", [container.name, resource]) if {
	some container in containers
	some resource in data.limits.required
	not container.resources.limits[resource]
}

deny contains sprintf("%s: privileged", [container.name]) if {
	some container in containers
	container.securityContext.privileged
}

deny contains sprintf("label %s is missing", [label]) if {
	some label in data.labels.required
	not input.request.object.metadata.labels[label]
}

trusted(image) if {
	some registry in data.registries
	startswith(image, registry)
}

containers contains container if {
	some kind in ["containers", "initContainers"]
	some container in input.request.object.spec[kind]
}

response := {"allowed": count(deny) == 0, "uid": input.request.uid, "messages": deny}
"""


def admission():
    random = Random(9)
    data = {
        "registries": ["registry.example/", "mirror.example/base/"],
        "limits": {"required": ["cpu", "memory"]},
        "labels": {"required": ["app", "team"]},
    }

    def container(number):
        limits = {name: "1" for name in ("cpu", "memory") if random.random() < 0.8}
        image = random.choice(("registry.example/app:1", "mirror.example/base/x:2", "docker.example/y"))
        return {
            "name": f"c{number}",
            "image": image,
            "resources": {"limits": limits},
            "securityContext": {"privileged": random.random() < 0.1},
        }

    inputs = [
        {
            "request": {
                "uid": f"u{n}",
                "kind": {"kind": "Pod"},
                "object": {
                    "metadata": {
                        "name": f"pod{n}",
                        "labels": {name: "x" for name in ("app", "team") if random.random() < 0.8},
                    },
                    "spec": {
                        "containers": [container(i) for i in range(random.randint(1, 4))],
                        "initContainers": [container(9)],
                    },
                },
            }
        }
        for n in range(500)
    ]

    def python(asked):
        request = asked["request"]
        pod, deny = request["object"], set()
        for one in (*pod["spec"].get("containers", ()), *pod["spec"].get("initContainers", ())):
            name = one["name"]
            if not one["image"].startswith(tuple(data["registries"])):
                deny.add(f"{name}: image {one['image']} is not from a trusted registry")
            limits = one.get("resources", {}).get("limits", {})
            deny.update(
                f"{name}: no {resource} limit"
                for resource in data["limits"]["required"]
                if resource not in limits
            )
            if one.get("securityContext", {}).get("privileged"):
                deny.add(f"{name}: privileged")
        labels = pod["metadata"].get("labels", {})
        deny.update(
            f"label {label} is missing" for label in data["labels"]["required"] if label not in labels
        )
        return {"allowed": not deny, "uid": request["uid"], "messages": sorted(deny)}

    return Policy("admission of pods", {"main.rego": ADMISSION}, "bench/response", data, inputs, python)


def look_up():
    random = Random(10)
    items = {
        f"item{n}": {"price": n, "tags": [f"tag{n % 97}", "x" * 20], "owner": f"user{n % 1000}"}
        for n in range(11_000)
    }
    inputs = [{"id": f"item{random.randrange(12_000)}"} for _ in range(1_000)]
    text = 'package bench\n\ndefault answer := null\n\nanswer := {"price": item.price, "owner": item.owner} if item := data.items[input.id]\n'

    def python(asked):
        item = items.get(asked["id"])
        return None if item is None else {"price": item["price"], "owner": item["owner"]}

    return Policy(
        f"look-up in {len(json.dumps(items)) / 1e6:.1f} MB",
        {"main.rego": text},
        "bench/answer",
        {"items": items},
        inputs,
        python,
    )


POLICIES = (windows_and_caps, rbac_by_user, rbac_by_scan, rbac_by_index, admission, look_up)
