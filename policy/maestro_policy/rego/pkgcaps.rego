# METADATA
# title: May a run start now, by the tenant's and the package's cap?
# description: |
#   One entry of `packageCaps` governs a package: the exact name, else the longest `ns/*`, else `*`. A pattern caps
#   each package it governs. Usage is what the input says: absent means none. Bare Rego holds no leases, so advice is
#   the constant that `maestro.limits.decide` gives when nothing is known of the runs that hold the slots.
package mc.pkgcaps

# Nothing is allowed by silence.
default allow := false

allow if denies == []

deny contains one if some one in denies

# The same in the order in which people are told. Undefined would read as "no deny" to whoever asks.
default denies := [{"reason": "bad_input", "retryAfter": null}]

denies := [{"reason": "bad_input", "field": field, "retryAfter": null} | some field in malformed] if {
	count(malformed) > 0
} else := array.concat(tenant_denies, package_denies)

tenant_denies := [one |
	input.tenant.maxConcurrent <= running
	one := object.union(
		{"reason": "tenant_cap", "cap": input.tenant.maxConcurrent, "current": running},
		advice(input.tenant.maxConcurrent),
	)
]

package_denies := [one |
	cap <= used
	one := object.union(
		{"reason": "package_cap", "package": input.request.package, "cap": cap, "current": used},
		advice(cap),
	)
]

# A cap of 0 forbids, so nothing frees by itself.
advice(most) := {"retryAfter": null} if {
	most == 0
} else := {"retryAfter": 30, "estimate": true}

running := object.get(input.tenant, "runningTotal", 0)

used := object.get(input.tenant, ["packageUsage", input.request.package], 0)

# Undefined when no entry governs the package.
cap := exact if {
	exact := input.tenant.packageCaps[input.request.package]
} else := longest if {
	longest := by_namespace[0]
} else := input.tenant.packageCaps["*"]

# Longest first. A name without a namespace has none, though numbers.range would count from 0 up to 1.
by_namespace := [found |
	parts := split(input.request.package, "/")
	some length in numbers.range(count(parts) - 1, 1)
	length > 0
	length < count(parts)
	found := input.tenant.packageCaps[concat("/", array.concat(array.slice(parts, 0, length), ["*"]))]
]

# ---- what cannot be judged: text counts as more than any number, so a cap of "2" would never be reached ----

# `not is_string(input.x)` is no test: with x absent neither it nor its opposite holds. A rule of its own is one.
malformed contains "tenant" if not for_tenant

for_tenant if is_object(input.tenant)

malformed contains "request.package" if not of_package

of_package if is_string(input.request.package)

malformed contains "request.tenant" if input.request.tenant != input.tenant.tenant

malformed contains "tenant.maxConcurrent" if not counts(object.get(input.tenant, "maxConcurrent", 0))

malformed contains "tenant.runningTotal" if not counts(running)

malformed contains "tenant.packageCaps" if not is_object(object.get(input.tenant, "packageCaps", {}))

malformed contains "tenant.packageCaps" if not counts(cap_or_zero)

malformed contains "tenant.packageUsage" if not is_object(object.get(input.tenant, "packageUsage", {}))

malformed contains "tenant.packageUsage" if not counts(used)

default cap_or_zero := 0

cap_or_zero := cap

counts(value) if {
	is_number(value)
	value >= 0
}
