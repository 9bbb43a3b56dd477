module example.org/maestro/alertmanager

go 1.21

require (
	github.com/prometheus/alertmanager v0.25.0
	gopkg.in/yaml.v2 v2.4.0
)
