#!/usr/bin/env bash
# install.sh [NAME...]: fetch the servers the tests use, from package registries alone, no prompts.
# Names: postgres redis prometheus faketime (Debian/Ubuntu packages: need root or sudo; skipped when already there)
#        opa toxiproxy               (Go modules: need go; compiled once a version, kept in the cache)
# Without names: what CI's service tests use today. Versions are pinned here and nowhere else.
. "$(dirname "$0")/lib.sh"
OPA=v1.22.2 TOXIPROXY=v2.5.0
[ $# -gt 0 ] || set -- prometheus

apt_ready=
apt() {
  local sudo=()
  if dpkg -s "$@" >/dev/null 2>&1; then return 0; fi
  command -v apt-get >/dev/null || die "no apt-get here: install $* with your own package manager"
  [ "$(id -u)" = 0 ] || sudo=(sudo -n)
  [ -n "$apt_ready" ] || { ${sudo[@]+"${sudo[@]}"} apt-get update -qq >&2; apt_ready=1; }
  # Packages must not start their own system-wide servers: the tests start private ones.
  ${sudo[@]+"${sudo[@]}"} env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
    apt-get install -y -qq --no-install-recommends "$@" >&2
}
# go_tool BINARY MODULE@VERSION [NAME]: compiled once per version, kept under the cache.
go_tool() {
  local mark=$CACHE/bin/.${3:-$1}@${2##*@}
  if [ -e "$mark" ]; then return 0; fi
  need go
  mkdir -p "$CACHE/bin"
  GOBIN=$CACHE/bin go install "$2"
  [ -z "${3:-}" ] || mv "$CACHE/bin/$1" "$CACHE/bin/$3"
  : >"$mark"
}
for name in "$@"; do
  began=$(date +%s)
  case $name in
    postgres)
      # Debian names plugins after the server's major version, so ask which one it ships.
      apt postgresql
      major=$(ls /usr/lib/postgresql | sort -rV | head -n 1)
      apt "postgresql-$major-wal2json" ;;
    redis) apt redis-server ;;
    faketime) apt faketime ;;
    prometheus) apt prometheus prometheus-alertmanager ;;
    opa) go_tool opa "github.com/open-policy-agent/opa@$OPA" ;;
    toxiproxy) go_tool server "github.com/Shopify/toxiproxy/v2/cmd/server@$TOXIPROXY" toxiproxy-server ;;
    *) die "unknown name $name" ;;
  esac
  log "$name ready after $(( $(date +%s) - began )) s"
done
