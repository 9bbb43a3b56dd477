-- One row a log; a file may hold those of several nodes.
CREATE TABLE audit_logs (
    id INTEGER NOT NULL PRIMARY KEY,
    origin TEXT NOT NULL UNIQUE
) STRICT;

-- body is what was hashed, byte for byte. hashes are those that the entry completes, 32 bytes each, level by level: its
-- own first. The hash of every complete subtree stands in exactly one row, so there is no second table to disagree.
CREATE TABLE audit_entries (
    log INTEGER NOT NULL REFERENCES audit_logs,
    sequence INTEGER NOT NULL,
    id TEXT,
    body BLOB NOT NULL,
    hashes BLOB NOT NULL,
    PRIMARY KEY (log, sequence)
) STRICT;
CREATE UNIQUE INDEX audit_entries_by_id ON audit_entries (log, id) WHERE id IS NOT NULL;

-- note is the signed checkpoint of the first size entries. The newest is kept, and about one in a thousand before it.
CREATE TABLE audit_checkpoints (
    log INTEGER NOT NULL REFERENCES audit_logs,
    size INTEGER NOT NULL,
    note BLOB NOT NULL,
    PRIMARY KEY (log, size)
) STRICT, WITHOUT ROWID;
