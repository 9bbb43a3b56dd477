"""What both sides say to drawn requests, in one shape, and where they differ."""

import msgspec

from maestro.limits.decide import decide
from maestro.limits.rego_data import rego_input
from maestro.ports.leases import Usage

# All inputs of a batch in one question: the figure of 100,000 should cost minutes, not an hour.
WRAPPER = """
package maestro_agreement

answers := [answer |
	some one in input
	answer := judged with input as one
]

judged := {
	"decision": data.mc.limits.decision,
	"allow": data.mc.limits.allow,
	"windows": [data.mc.windows.allow, count(data.mc.windows.deny)],
	"pkgcaps": [data.mc.pkgcaps.allow, count(data.mc.pkgcaps.deny)],
}
"""

TOLD = ("reason", "retryAfter", "opensAt", "package", "cap", "current", "cutoff", "estimate")
CAPS = ("tenant_cap", "package_cap")
HORIZON = {"reason": "policy_horizon", "retryAfter": None}


def by_opa(client, tenants):
    """OPA's answers for all requests of the tenants, in their order."""
    client.put_data("mc/intervals", {tenant.limits.tenant: tenant.entry for tenant in tenants})
    inputs = [
        rego_input(tenant.limits, request, revision=tenant.policy.revision)
        for tenant in tenants
        for request in tenant.requests
    ]
    answers = client.evaluate("maestro_agreement/answers", inputs)
    assert len(answers) == len(inputs)
    return answers


def by_maestro(tenant, request):
    """The native decision as Rego shows it, with its horizon."""
    usage = Usage(tenant.limits.running_total, tenant.limits.package_usage.get(request.package, 0))
    expected = request.expected_seconds or None
    decision = msgspec.to_builtins(
        decide(tenant.policy, request.package, request.ts, expected=expected, usage=usage)
    )
    denies = [{key: deny[key] for key in TOLD if key in deny} for deny in decision["denies"]]
    if not tenant.entry["from"] <= request.ts.timestamp() < tenant.entry["until"]:
        denies = [HORIZON, *(deny for deny in denies if deny["reason"] in CAPS)]
        return False, denies, None, None
    return decision["allowed"], denies, decision["retryAfter"], decision["opensAt"]


def differences(client, tenants):
    """Every request on which the two disagree, with both answers; and the reasons that were seen."""
    found, seen = [], set()
    answers = iter(by_opa(client, tenants))
    for tenant in tenants:
        for request in tenant.requests:
            ours, answer = by_maestro(tenant, request), next(answers)
            theirs = answer["decision"]
            seen.update(deny["reason"] for deny in ours[1])
            calendar = sum(deny["reason"] not in CAPS for deny in ours[1])
            expected = {
                "allow": ours[0],
                "windows": [calendar == 0, calendar],
                "pkgcaps": [calendar == len(ours[1]), len(ours[1]) - calendar],
            }
            same = ours == (theirs["allowed"], theirs["denies"], theirs["retryAfter"], theirs["opensAt"])
            if not (same and expected == {key: answer[key] for key in expected}):
                found.append((tenant.limits, request, ours, answer))
    return found, seen
