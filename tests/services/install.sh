#!/usr/bin/env bash
# install.sh [NAME...]: fetch the servers the tests use, from package registries alone, no prompts.
# Names: postgres redis prometheus faketime zstd (Debian/Ubuntu packages: need root or sudo; skipped when already there)
#        kafka debezium              (Maven Central: needs java 17 or newer and mvn; jars kept in the cache)
#        opa toxiproxy               (Go modules: need go; compiled once a version, kept in the cache)
#        rego-planner                (a Go program of ours that links the same OPA; rebuilt when its source changes)
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
# rego_planner: tests/rego_cases/planner, and what it makes of OPA's own compliance cases. One folder a state of its
# source (go.mod pins OPA), made under another name first, so that a broken build leaves nothing behind.
rego_planner() {
  local source=$HERE/../rego_cases/planner key made
  key=$(cd "$source" && cat go.mod go.sum ./*.go | cksum | tr ' ' -)
  if [ -e "$CACHE/rego-planner/$key/cases.jsonl" ]; then return 0; fi
  need go
  grep -q "opa $OPA\$" "$source/go.mod" || die "$source/go.mod pins another OPA than $OPA"
  mkdir -p "$CACHE/rego-planner"
  made=$(mktemp -d "$CACHE/rego-planner/.new-XXXXXX")
  (cd "$source" && go build -o "$made/planner" .)
  "$made/planner" cases >"$made/cases.jsonl"
  chmod 755 "$made"
  rm -rf "${CACHE:?}/rego-planner/$key"
  mv "$made" "$CACHE/rego-planner/$key"
}
# jars NAME PATTERN: what NAME/pom.xml asks for, kept under the cache until the pom changes.
jars() {
  local folder=$CACHE/$1/jars
  # shellcheck disable=SC2086
  if ls $folder/$2 >/dev/null 2>&1 && cmp -s "$HERE/$1/pom.xml" "$CACHE/$1/pom.xml"; then return 0; fi
  need mvn java
  rm -rf "$folder"
  mvn -B -q -f "$HERE/$1/pom.xml" dependency:copy-dependencies -DincludeScope=runtime \
    -DoutputDirectory="$folder" >&2
  cp "$HERE/$1/pom.xml" "$CACHE/$1/pom.xml"
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
    zstd) apt zstd ;;
    prometheus) apt prometheus prometheus-alertmanager ;;
    kafka) jars kafka 'kafka_2.13-*.jar' ;;
    debezium)
      jars debezium 'debezium-embedded-*.jar'
      classes=$CACHE/debezium/classes
      if [ ! -e "$classes/PublishChanges.class" ] || [ "$HERE/debezium/PublishChanges.java" -nt "$classes/PublishChanges.class" ]; then
        need javac
        javac -nowarn -cp "$CACHE/debezium/jars/*" -d "$classes" "$HERE/debezium/PublishChanges.java" >&2
      fi ;;
    opa) go_tool opa "github.com/open-policy-agent/opa@$OPA" ;;
    rego-planner) rego_planner ;;
    toxiproxy) go_tool server "github.com/Shopify/toxiproxy/v2/cmd/server@$TOXIPROXY" toxiproxy-server ;;
    *) die "unknown name $name" ;;
  esac
  log "$name ready after $(( $(date +%s) - began )) s"
done
