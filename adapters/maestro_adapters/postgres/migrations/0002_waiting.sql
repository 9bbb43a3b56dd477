-- Who waits for a slot. A sequence's numbers may come out of order by a moment, which is fair enough for a queue.
CREATE TABLE waiters (
    ticket bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL,
    run text COLLATE "C" NOT NULL,
    package text COLLATE "C" NOT NULL,
    expires timestamptz NOT NULL
);
CREATE INDEX waiters_by_tenant ON waiters (tenant, ticket);
