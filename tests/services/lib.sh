# Common part of the up-*.sh / down.sh scripts: sourced, never run.
# Inputs (all optional):
#   SERVICES_DIR   where data, logs and pid files live (default: ${TMPDIR:-/tmp}/maestro-services)
#   SERVICES_CACHE where install.sh puts what is not a system package (default: ~/.cache/maestro-services, or
#                  /var/cache/maestro-services for root, whose home SERVICES_USER cannot enter)
#   SERVICES_USER  unprivileged account to use when the caller is root (default: nobody)
#   SERVICES_WAIT  seconds to wait for a server to become healthy (default: 60)
set -euo pipefail

SERVICES_DIR=${SERVICES_DIR:-${TMPDIR:-/tmp}/maestro-services}
if [ "$(id -u)" = 0 ]; then CACHE=/var/cache; else CACHE=${XDG_CACHE_HOME:-$HOME/.cache}; fi
CACHE=${SERVICES_CACHE:-$CACHE/maestro-services}
SERVICES_USER=${SERVICES_USER:-nobody}
SERVICES_WAIT=${SERVICES_WAIT:-60}
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PATH=$CACHE/bin:$PATH:/usr/local/sbin:/usr/sbin  # Debian puts nats-server in sbin
umask 022

log() { printf '%s\n' "$*" >&2; }
die() { log "error: $*"; exit 1; }
need() {
  local tool
  for tool in "$@"; do
    command -v "$tool" >/dev/null 2>&1 || die "$tool not found; run $HERE/install.sh first"
  done
}

# service NAME: set DIR, PID, LOG, ADDR for one server.
service() {
  NAME=$1
  DIR=$SERVICES_DIR/$NAME
  PID=$DIR/pid LOG=$DIR/log ADDR=$DIR/addr
  mkdir -p "$DIR"
  own "$DIR"
}

own() { if [ "$(id -u)" = 0 ]; then chown -R "$SERVICES_USER" "$1"; fi; }

# as_user CMD...: run CMD without privileges. A caller that is not root runs it as itself.
DROP=()
if [ "$(id -u)" = 0 ]; then
  DROP=(setpriv --reuid "$SERVICES_USER" --regid "$(id -g "$SERVICES_USER")" --clear-groups --)
fi
as_user() { ( cd "$DIR" && HOME=$DIR ${DROP[@]+"${DROP[@]}"} "$@" ); }

# A pid counts as ours only while ps shows the start time written beside it, so a recycled pid is never
# signalled. A zombie is dead: in a container whose first process reaps late, kill -0 still says yes.
birth() { ps -o lstart= -p "$1" 2>/dev/null | tr -s ' '; }
alive() {
  [ -s "$PID" ] || return 1
  local p b
  p=$(sed -n 1p "$PID") b=$(sed -n 2p "$PID")
  [ -n "$p" ] && [ "$(birth "$p")" = "$b" ] || return 1
  case $(ps -o stat= -p "$p") in Z*|'') return 1 ;; esac
}

already_up() { if alive && [ -s "$ADDR" ]; then cat "$ADDR"; exit 0; fi; rm -f "$PID" "$ADDR"; }

free_port() { python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1",0)); print(s.getsockname()[1])'; }

# start CMD...: run in the background, in its own session where setsid exists (not on macOS), with the
# server itself as the pid we keep: every step is an exec.
start() {
  local session=()
  if command -v setsid >/dev/null 2>&1; then session=(setsid); fi
  ( cd "$DIR" && HOME=$DIR exec ${session[@]+"${session[@]}"} ${DROP[@]+"${DROP[@]}"} "$@" ) </dev/null >>"$LOG" 2>&1 &
  local p=$!
  sleep 0.05
  { echo "$p"; birth "$p"; } >"$PID"
}

# healthy CMD...: poll until CMD succeeds, fail with the log's tail if the server dies or is too slow.
healthy() {
  local end=$(( $(date +%s) + SERVICES_WAIT ))
  until "$@" >/dev/null 2>&1; do
    alive || { tail -n 30 "$LOG" >&2; die "$NAME exited during start"; }
    [ "$(date +%s)" -lt "$end" ] || { tail -n 30 "$LOG" >&2; "$HERE/down.sh" "$NAME" || true; die "$NAME not healthy after ${SERVICES_WAIT}s"; }
    sleep 0.1
  done
}

announce() { printf '%s\n' "$1" >"$ADDR"; cat "$ADDR"; }
http_ok() { python3 -c 'import sys,urllib.request as u; u.build_opener(u.ProxyHandler({})).open(sys.argv[1],timeout=2).read()' "$1"; }
