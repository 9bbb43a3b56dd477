-- Instants are whole microseconds since 1970-01-01T00:00:00Z. Names are compared byte for byte, hence COLLATE "C"; what
-- PostgreSQL's text cannot hold (NUL) is escaped by the adapter. `given` is the clock of tests, NULL otherwise.
-- Functions remember this schema as their search path, whatever that of the session is.

-- ---- the clock and the fence ---------------------------------------------------------------------------------------

CREATE FUNCTION store_clock(given bigint) RETURNS bigint LANGUAGE sql VOLATILE AS
$$ SELECT coalesce(given, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint) $$;

-- The last fencing token. CACHE 1: with more, each session would hold a stock of its own, and tokens would not follow
-- the order in which they were asked for.
CREATE SEQUENCE fence CACHE 1 NO CYCLE;

-- The next token. It follows the clock at a tenth of a second's distance, so that tokens go on growing on a server that
-- has lost the last ones: a promoted replica, a restored backup. Setting a sequence is no transaction's business, so
-- the lock is the session's and is given back at once, also when the statement is cancelled.
CREATE FUNCTION next_token(now bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    token bigint := nextval('fence');
    lock_key CONSTANT bigint := hashtextextended(current_schema() || ' fence', 0);
BEGIN
    IF token >= now - 100000 THEN
        RETURN token;
    END IF;
    BEGIN
        PERFORM pg_advisory_lock(lock_key);
        token := setval('fence', greatest(nextval('fence'), now));
        PERFORM pg_advisory_unlock(lock_key);
    EXCEPTION WHEN query_canceled OR OTHERS THEN
        PERFORM pg_advisory_unlock(lock_key);
        RAISE;
    END;
    RETURN token;
END $$ SET search_path FROM CURRENT;

-- ---- leases --------------------------------------------------------------------------------------------------------

CREATE TABLE leases (
    tenant text COLLATE "C" NOT NULL,
    run text COLLATE "C" NOT NULL,
    package text COLLATE "C" NOT NULL,
    expires bigint NOT NULL,
    lasts bigint NOT NULL,
    ends bigint NOT NULL,
    token bigint NOT NULL,
    ttl double precision NOT NULL,
    acquired_at bigint NOT NULL,
    expected double precision,
    revision text NOT NULL,
    PRIMARY KEY (tenant, run)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

-- Everything that changes a tenant's leases waits here for its turn, so that what is counted next is what holds. The
-- events' lock comes first and is shared by all who tell something; see give_positions().
CREATE FUNCTION lock_tenant(of_tenant text, announced boolean) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'leases are kept at isolation level read committed alone' USING ERRCODE = 'MC001';
    END IF;
    IF announced THEN
        PERFORM pg_advisory_xact_lock_shared(hashtextextended(current_schema() || ' events', 0));
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended(of_tenant, hashtextextended(current_schema(), 1)));
END $$ SET search_path FROM CURRENT;

-- Counts of unexpired leases, and the instants at which one of them may free.
CREATE FUNCTION usage(
    of_tenant text, of_package text, now bigint,
    OUT in_tenant bigint, OUT in_package bigint, OUT tenant_frees bigint, OUT package_frees bigint
) LANGUAGE sql STABLE AS $$
    SELECT count(*), count(*) FILTER (WHERE same), min(frees), min(frees) FILTER (WHERE same)
    FROM (
        SELECT package = of_package AS same,
            CASE
                WHEN ends > now THEN ends
                WHEN ends > 0 THEN least(expires, now + lasts, 2 * now - ends)
                ELSE least(expires, now + lasts)
            END AS frees
        FROM leases WHERE tenant = of_tenant AND expires > now
    ) AS live
$$ SET search_path FROM CURRENT;

-- state 0: no room, with the counts; 1: the run holds a lease, which follows; 2: a new one, with its token.
CREATE FUNCTION acquire(
    of_tenant text, of_run text, of_package text, for_microseconds bigint, takes bigint, tenant_cap bigint,
    package_cap bigint, with_ttl double precision, at bigint, expecting double precision, by_revision text,
    announced boolean, given bigint,
    OUT state integer, OUT now bigint, OUT held leases,
    OUT in_tenant bigint, OUT in_package bigint, OUT tenant_frees bigint, OUT package_frees bigint
) LANGUAGE plpgsql AS $$
DECLARE
    stepped_back boolean := false;
    expired boolean := false;
BEGIN
    PERFORM lock_tenant(of_tenant, announced);
    now := store_clock(given);
    SELECT * INTO held FROM leases WHERE tenant = of_tenant AND run = of_run AND expires > now;
    IF found THEN
        state := 1;
        RETURN;
    END IF;
    IF tenant_cap IS NOT NULL OR package_cap IS NOT NULL THEN
        SELECT count(*) FILTER (WHERE l.expires > now), count(*) FILTER (WHERE l.expires > now AND l.package = of_package),
            bool_or(l.expires > now + l.lasts), bool_or(l.expires <= now)
        INTO in_tenant, in_package, stepped_back, expired FROM leases AS l WHERE l.tenant = of_tenant;
        IF stepped_back THEN
            -- No lease has more left than it was given: the server's clock was set back.
            UPDATE leases SET expires = now + lasts WHERE tenant = of_tenant AND expires > now + lasts;
        END IF;
        IF in_tenant >= tenant_cap OR in_package >= package_cap THEN
            state := 0;
            SELECT u.* INTO in_tenant, in_package, tenant_frees, package_frees
            FROM usage(of_tenant, of_package, now) AS u;
            RETURN;
        END IF;
    END IF;
    state := 2;
    held := (
        of_tenant, of_run, of_package, now + for_microseconds, for_microseconds,
        CASE WHEN takes > 0 THEN now + takes ELSE 0 END, next_token(now), with_ttl, at, expecting, by_revision
    );
    IF expired THEN
        DELETE FROM leases WHERE tenant = of_tenant AND expires <= now;
    END IF;
    INSERT INTO leases VALUES (held.*)
    ON CONFLICT (tenant, run) DO UPDATE SET
        package = excluded.package, expires = excluded.expires, lasts = excluded.lasts, ends = excluded.ends,
        token = excluded.token, ttl = excluded.ttl, acquired_at = excluded.acquired_at, expected = excluded.expected,
        revision = excluded.revision;
    IF held.token % 1024 = 0 THEN
        -- Tenants that never come back, or have no caps, leave nothing behind either. Rows in use are passed over, so
        -- this waits for nobody.
        DELETE FROM leases WHERE (tenant, run) IN (
            SELECT l.tenant, l.run FROM leases AS l WHERE l.expires <= now LIMIT 4096 FOR UPDATE SKIP LOCKED
        );
    END IF;
END $$ SET search_path FROM CURRENT;

CREATE FUNCTION renew(
    of_tenant text, of_run text, with_token bigint, for_microseconds bigint, with_ttl double precision,
    announced boolean, given bigint, OUT now bigint, OUT held leases
) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM lock_tenant(of_tenant, announced);
    now := store_clock(given);
    UPDATE leases AS l SET ttl = with_ttl, lasts = for_microseconds, expires = now + for_microseconds
    WHERE l.tenant = of_tenant AND l.run = of_run AND l.token = with_token AND l.expires > now
    RETURNING l.* INTO held;
END $$ SET search_path FROM CURRENT;

-- state 0: the run holds no lease; 1: released; 2: it has another token.
CREATE FUNCTION release(
    of_tenant text, of_run text, with_token bigint, announced boolean, given bigint,
    OUT state integer, OUT now bigint, OUT held leases
) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM lock_tenant(of_tenant, announced);
    now := store_clock(given);
    SELECT * INTO held FROM leases WHERE tenant = of_tenant AND run = of_run AND expires > now;
    state := CASE WHEN NOT found THEN 0 WHEN held.token = with_token THEN 1 ELSE 2 END;
    IF state = 1 THEN
        DELETE FROM leases WHERE tenant = of_tenant AND run = of_run;
    END IF;
END $$ SET search_path FROM CURRENT;

-- ---- documents -----------------------------------------------------------------------------------------------------

CREATE TABLE documents (
    kind text COLLATE "C" NOT NULL,
    tenant text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    body bytea NOT NULL,
    changed_by text NOT NULL,
    changed_at bigint NOT NULL,
    PRIMARY KEY (kind, tenant, version)
);

-- One row. It grows in the transaction of every version stored: a sequence would tell of a change before it is there.
CREATE TABLE generation (number bigint NOT NULL);
INSERT INTO generation VALUES (0);

-- The newest version, once it is this writer's turn; also the clock for its event.
CREATE FUNCTION lock_document(
    of_kind text, of_tenant text, announced boolean, OUT newest bigint, OUT now bigint
) LANGUAGE plpgsql AS $$
BEGIN
    IF announced THEN
        PERFORM pg_advisory_xact_lock_shared(hashtextextended(current_schema() || ' events', 0));
    END IF;
    PERFORM pg_advisory_xact_lock(
        hashtextextended(of_kind, hashtextextended(of_tenant, hashtextextended(current_schema(), 2)))
    );
    now := store_clock(NULL);
    newest := (SELECT coalesce(max(version), 0) FROM documents WHERE kind = of_kind AND tenant = of_tenant);
END $$ SET search_path FROM CURRENT;

-- ---- events --------------------------------------------------------------------------------------------------------

-- Batches are numbered as they are written; positions are given when somebody reads. Were positions given by the
-- writers, a reader could see 8 before the slower transaction that holds 7 has committed, and never read 7.
CREATE SEQUENCE batches CACHE 1 NO CYCLE;

-- body is the JSON of the whole event.
CREATE TABLE events (
    batch bigint NOT NULL,
    ordinal integer NOT NULL,
    told bigint NOT NULL,
    position bigint,
    source text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (batch, ordinal),
    UNIQUE (source, id)
);
CREATE UNIQUE INDEX events_by_position ON events (position) WHERE position IS NOT NULL;
CREATE INDEX events_without_position ON events (told, batch, ordinal) WHERE position IS NULL;

-- One row: the last position given.
CREATE TABLE tail (position bigint NOT NULL);
INSERT INTO tail VALUES (0);

CREATE TABLE consumers (
    name text COLLATE "C" NOT NULL PRIMARY KEY,
    position bigint NOT NULL
);

-- Gives positions to events that have none, at most 5000; answers how many. Whoever tells an event holds the events'
-- lock shared from before the clock was read until its commit; here it is taken alone, so nobody is on the way, and
-- positions follow the clock. A writer that does not end holds up readers, until the server ends its session, but hardly
-- the other writers: nobody waits here for longer than 200 ms.
CREATE FUNCTION give_positions() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    given bigint;
BEGIN
    IF NOT EXISTS (SELECT FROM events WHERE position IS NULL) THEN
        RETURN 0;
    END IF;
    PERFORM set_config('lock_timeout', '200ms', true);
    BEGIN
        PERFORM pg_advisory_xact_lock(hashtextextended(current_schema() || ' events', 0));
    EXCEPTION WHEN lock_not_available THEN
        RETURN 0;
    END;
    WITH numbered AS (
        SELECT batch, ordinal, row_number() OVER (ORDER BY told, batch, ordinal) AS number
        FROM events WHERE position IS NULL ORDER BY told, batch, ordinal LIMIT 5000
    ), placed AS (
        UPDATE events SET position = tail.position + numbered.number
        FROM numbered, tail WHERE (events.batch, events.ordinal) = (numbered.batch, numbered.ordinal)
        RETURNING 1
    )
    SELECT count(*) INTO given FROM placed;
    UPDATE tail SET position = position + given;
    RETURN given;
END $$ SET search_path FROM CURRENT;
