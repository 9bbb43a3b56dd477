package mc.pkgcaps_test

import data.mc.pkgcaps

asked(name, tenant) := {"tenant": object.union({"tenant": "acme"}, tenant), "request": {"package": name}}

capped(name, cap, current) := {
	"reason": "package_cap",
	"package": name,
	"cap": cap,
	"current": current,
	"retryAfter": 30,
	"estimate": true,
}

bad(field) := {"reason": "bad_input", "field": field, "retryAfter": null}

test_no_caps if {
	pkgcaps.allow with input as asked("ns/a", {})
	pkgcaps.deny == set() with input as asked("ns/a", {})
}

test_below_and_at_the_cap if {
	below := asked("ns/a", {"packageCaps": {"ns/a": 2}, "packageUsage": {"ns/a": 1}})
	pkgcaps.allow with input as below
	full := asked("ns/a", {"packageCaps": {"ns/a": 2}, "packageUsage": {"ns/a": 2}})
	not pkgcaps.allow with input as full
	pkgcaps.deny == {capped("ns/a", 2, 2)} with input as full
}

test_absent_usage_is_none if {
	pkgcaps.allow with input as asked("ns/a", {"packageCaps": {"ns/a": 1}})
	pkgcaps.allow with input as asked("ns/a", {"packageCaps": {"ns/a": 1}, "packageUsage": {"ns/b": 9}})
}

test_a_cap_of_0_forbids_and_has_no_advice if {
	forbidden := {"reason": "package_cap", "package": "ns/a", "cap": 0, "current": 0, "retryAfter": null}
	pkgcaps.denies == [forbidden] with input as asked("ns/a", {"packageCaps": {"ns/a": 0}})
}

test_the_most_specific_entry_governs if {
	caps := {"ns/a": 1, "ns/*": 2, "ns/sub/*": 3, "*": 4}
	every case in [
		{"package": "ns/a", "cap": 1},
		{"package": "ns/b", "cap": 2},
		{"package": "ns/sub/a", "cap": 3},
		{"package": "ns/sub/deep/a", "cap": 3},
		{"package": "other/a", "cap": 4},
		{"package": "a", "cap": 4},
	] {
		pkgcaps.cap == case.cap with input as asked(case.package, {"packageCaps": caps})
	}
}

test_a_namespace_does_not_govern_its_own_name if {
	pkgcaps.allow with input as asked("a", {"packageCaps": {"a/*": 0, "/*": 0}})
	pkgcaps.allow with input as asked("nsx/a", {"packageCaps": {"ns/*": 0}})
}

test_a_pattern_caps_each_package if {
	tenant := {"packageCaps": {"ns/*": 1}, "packageUsage": {"ns/a": 1}}
	not pkgcaps.allow with input as asked("ns/a", tenant)
	pkgcaps.allow with input as asked("ns/b", tenant)
}

test_both_caps_in_order if {
	tenant := {"maxConcurrent": 3, "runningTotal": 4, "packageCaps": {"*": 1}, "packageUsage": {"ns/a": 1}}
	first := {"reason": "tenant_cap", "cap": 3, "current": 4, "retryAfter": 30, "estimate": true}
	pkgcaps.denies == [first, capped("ns/a", 1, 1)] with input as asked("ns/a", tenant)
}

test_max_concurrent if {
	pkgcaps.allow with input as asked("ns/a", {"maxConcurrent": 1})
	none := {"reason": "tenant_cap", "cap": 0, "current": 0, "retryAfter": null}
	pkgcaps.denies == [none] with input as asked("ns/a", {"maxConcurrent": 0})
}

test_what_cannot_be_judged_is_denied if {
	every case in [
		{"field": "tenant.packageCaps", "tenant": {"packageCaps": {"ns/a": "2"}}},
		{"field": "tenant.packageCaps", "tenant": {"packageCaps": {"ns/a": false}}},
		{"field": "tenant.packageCaps", "tenant": {"packageCaps": [2]}},
		{"field": "tenant.packageUsage", "tenant": {"packageUsage": {"ns/a": null}}},
		{"field": "tenant.packageUsage", "tenant": {"packageUsage": "none"}},
		{"field": "tenant.maxConcurrent", "tenant": {"maxConcurrent": "9"}},
		{"field": "tenant.runningTotal", "tenant": {"runningTotal": -1}},
	] {
		pkgcaps.denies == [bad(case.field)] with input as asked("ns/a", case.tenant)
		not pkgcaps.allow with input as asked("ns/a", case.tenant)
	}
}

test_what_is_absent_is_denied if {
	pkgcaps.denies == [bad("request.package")] with input as {"tenant": {"tenant": "acme"}, "request": {}}
	pkgcaps.denies == [bad("request.package"), bad("tenant")] with input as {}
	not pkgcaps.allow with input as {}
}

test_another_tenant if {
	other := object.union(asked("ns/a", {}), {"request": {"tenant": "globex"}})
	pkgcaps.denies == [bad("request.tenant")] with input as other
}
