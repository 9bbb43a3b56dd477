-- Audit logs, one a node. Entries are only ever added; `hashes` are those of the subtrees that an entry completes, 32
-- bytes each, from its own upward. `id` is bytes, since it may hold what PostgreSQL's text cannot, and is indexed by
-- its digest, since it may be longer than an index bears.
CREATE TABLE audit_logs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    origin text COLLATE "C" NOT NULL UNIQUE
);

CREATE TABLE audit_entries (
    log bigint NOT NULL REFERENCES audit_logs,
    sequence bigint NOT NULL,
    id bytea,
    body bytea NOT NULL,
    hashes bytea NOT NULL,
    PRIMARY KEY (log, sequence)
);
CREATE UNIQUE INDEX audit_entries_by_id ON audit_entries (log, sha256(id)) WHERE id IS NOT NULL;

CREATE TABLE audit_checkpoints (
    log bigint NOT NULL REFERENCES audit_logs,
    size bigint NOT NULL,
    note bytea NOT NULL,
    PRIMARY KEY (log, size)
);

-- The log, made when missing, as it stands once it is this writer's turn, with its newest checkpoint.
CREATE FUNCTION lock_audit(
    of_origin text, OUT log bigint, OUT size bigint, OUT signed bigint, OUT note bytea
) LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'audit logs grow at isolation level read committed alone' USING ERRCODE = 'MC001';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended(of_origin, hashtextextended(current_schema(), 4)));
    INSERT INTO audit_logs (origin) VALUES (of_origin) ON CONFLICT DO NOTHING;
    SELECT l.id INTO log FROM audit_logs AS l WHERE l.origin = of_origin;
    SELECT coalesce(max(e.sequence) + 1, 0) INTO size FROM audit_entries AS e WHERE e.log = lock_audit.log;
    SELECT c.size, c.note INTO signed, note
    FROM audit_checkpoints AS c WHERE c.log = lock_audit.log ORDER BY c.size DESC LIMIT 1;
END $$ SET search_path FROM CURRENT;
