-- Instants of the wall clock are whole microseconds since 1970-01-01T00:00:00Z; instants of the boot clock are
-- nanoseconds and mean something only together with fence.boot.

-- One row: the boot whose leases these are, and the last fencing token given out.
CREATE TABLE fence (
    boot TEXT NOT NULL PRIMARY KEY,
    token INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Keyed as the port says, compared byte for byte; a tenant's leases stand together, so counting them is one scan.
CREATE TABLE leases (
    tenant TEXT NOT NULL,
    run TEXT NOT NULL,
    package TEXT NOT NULL,
    expires INTEGER NOT NULL,
    ends INTEGER NOT NULL,
    token INTEGER NOT NULL,
    ttl REAL NOT NULL,
    acquired_at INTEGER NOT NULL,
    expected REAL,
    revision TEXT NOT NULL,
    PRIMARY KEY (tenant, run)
) STRICT, WITHOUT ROWID;

CREATE TABLE documents (
    kind TEXT NOT NULL,
    tenant TEXT NOT NULL,
    version INTEGER NOT NULL,
    body BLOB NOT NULL,
    changed_by TEXT NOT NULL,
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (kind, tenant, version)
) STRICT, WITHOUT ROWID;

-- One row: grows with every version stored.
CREATE TABLE generation (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    number INTEGER NOT NULL
) STRICT;
INSERT INTO generation VALUES (1, 0);

-- body is the JSON of the whole event.
CREATE TABLE events (
    position INTEGER NOT NULL PRIMARY KEY,
    source TEXT NOT NULL,
    id TEXT NOT NULL,
    body BLOB NOT NULL,
    UNIQUE (source, id)
) STRICT;

CREATE TABLE consumers (
    name TEXT NOT NULL PRIMARY KEY,
    position INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
