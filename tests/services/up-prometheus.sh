#!/usr/bin/env bash
# up-prometheus.sh [RULES.yml...]: Prometheus on loopback. It scrapes itself and whatever the file targets.json
# in its folder lists (read again every second). TARGET: host:port of one /metrics, the first content of that
# file. ALERTMANAGER: host:port to send alerts to. SCRAPE: interval, default 1s.
. "$(dirname "$0")/lib.sh"
service prometheus
already_up
need prometheus promtool
port=${PORT:-$(free_port)}
[ -z "${TARGET:-}" ] || printf '[{"targets": ["%s"]}]\n' "$TARGET" >"$DIR/targets.json"
{
  printf 'global: {scrape_interval: %s, evaluation_interval: %s}\n' "${SCRAPE:-1s}" "${SCRAPE:-1s}"
  echo 'rule_files:'
  for f in "$@"; do printf '  - %s\n' "$(cd "$(dirname "$f")" && pwd)/$(basename "$f")"; done
  echo 'scrape_configs:'
  printf '  - {job_name: prometheus, static_configs: [{targets: ["127.0.0.1:%s"]}]}\n' "$port"
  printf '  - {job_name: maestro, file_sd_configs: [{files: ["%s/targets.json"], refresh_interval: 1s}]}\n' "$DIR"
  [ -z "${ALERTMANAGER:-}" ] || printf 'alerting: {alertmanagers: [{static_configs: [{targets: ["%s"]}]}]}\n' "$ALERTMANAGER"
} >"$DIR/prometheus.yml"
promtool check config "$DIR/prometheus.yml" >>"$LOG" 2>&1 || { tail -n 20 "$LOG" >&2; die "bad configuration"; }
# Alertmanagers are discovered about 5 s after start: an alert that fires sooner is sent to nobody and, by
# default, again only a minute later.
start "$(command -v prometheus)" --config.file="$DIR/prometheus.yml" --storage.tsdb.path="$DIR/data" \
  --web.listen-address="127.0.0.1:$port" --web.enable-lifecycle --rules.alert.resend-delay=1s --log.level=warn
healthy http_ok "http://127.0.0.1:$port/-/ready"
announce "http://127.0.0.1:$port"
