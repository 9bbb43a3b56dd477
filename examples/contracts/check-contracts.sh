#!/usr/bin/env bash
# check-contracts.sh FOLDER REVISION [OPTION...]: judge every schema below FOLDER against itself at REVISION.
# A schema that is new has nothing to break. Exit 0: all may land; 3: one may not; OPTIONs go to contracts check.
set -euo pipefail
[ $# -ge 2 ] || { echo "usage: $0 FOLDER REVISION [OPTION...]" >&2; exit 2; }
folder=$1 revision=$2; shift 2
schemas=()
while IFS= read -r -d '' schema; do schemas+=("$schema"); done < <(
  find "$folder" -type f \( -name '*.avsc' -o -name '*.schema.json' -o -name '*.odcs.yaml' \) -print0 | sort -z
)
[ ${#schemas[@]} -gt 0 ] || { echo "no schemas below $folder" >&2; exit 2; }
exec maestro contracts check "${schemas[@]}" --against "git:$revision" "$@"
