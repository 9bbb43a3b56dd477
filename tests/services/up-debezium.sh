#!/usr/bin/env bash
# up-debezium.sh POSTGRES KAFKA SCHEMA.TABLE [PREFIX]: Debezium's embedded engine, publishing one table's changes to Kafka.
# POSTGRES as up-postgres.sh prints it. Prints the table's topic. SCHEMAS=true sends schemas with the events.
# Killed and started again it goes on where its offsets file says; the file is beside its log.
. "$(dirname "$0")/lib.sh"
service debezium
already_up
JARS=${DEBEZIUM_JARS:-$CACHE/debezium/jars}
JAVA=${JAVA:-${JAVA_HOME:+$JAVA_HOME/bin/}java}
need "$JAVA" python3
ls "$JARS"/debezium-embedded-*.jar >/dev/null 2>&1 || die "no Debezium jars in $JARS; run $HERE/install.sh debezium"
ls "$JARS"/../classes/PublishChanges.class >/dev/null 2>&1 || die "not compiled; run $HERE/install.sh debezium"
[ $# -ge 3 ] || die "usage: up-debezium.sh POSTGRES KAFKA SCHEMA.TABLE [PREFIX]"
prefix=${4:-spine}
read -r user host port database < <(python3 -c '
import sys, urllib.parse as u
p = u.urlsplit(sys.argv[1]); print(p.username, p.hostname, p.port, p.path.lstrip("/"))' "$1")
start "$JAVA" -Xms64m "-Xmx${DEBEZIUM_HEAP:-256m}" -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto \
  -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$JARS/../classes:$JARS/*" PublishChanges \
  "$host" "$port" "$user" "$database" "$3" "$2" "$prefix" "${prefix}_slot" "$DIR/offsets" "${SCHEMAS:-false}"
healthy grep -q ready "$LOG"
announce "$prefix.$3"
