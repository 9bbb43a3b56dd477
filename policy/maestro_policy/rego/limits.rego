# METADATA
# title: May this run start now?
# description: |
#   The calendar and the caps in one decision. `allowed`, `denies` and their advice are those of
#   `maestro limits explain` for the same limits and request.
package mc.limits

# Nothing is allowed by silence.
default allow := false

allow if {
	data.mc.windows.allow
	data.mc.pkgcaps.allow
}

# In the order closure, window, cutoff or fit, tenant cap, package cap.
denies := array.concat(data.mc.windows.denies, data.mc.pkgcaps.denies)

deny contains one if some one in denies

decision := {
	"allowed": allow,
	"denies": denies,
	"retryAfter": retry_after,
	"opensAt": opens_at,
	"policyRevision": data.mc.windows.revision,
	"tzdata": data.mc.windows.tzdata,
}

# The greatest of the denies', null when one of them is null.
default retry_after := null

retry_after := max(waits) if {
	waits := [one.retryAfter | some one in denies]
	not null in waits
}

default opens_at := null

opens_at := data.mc.windows.advice.opensAt if {
	some one in data.mc.windows.denies
	one.opensAt
}
