-- Who waits for a slot. A ticket never comes twice, so that who came first stays first; expires is of the boot clock.
CREATE TABLE waiters (
    ticket INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    run TEXT NOT NULL,
    package TEXT NOT NULL,
    boot TEXT NOT NULL,
    expires INTEGER NOT NULL
) STRICT;
CREATE INDEX waiters_by_tenant ON waiters (tenant, ticket);
