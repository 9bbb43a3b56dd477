-- What a consumer needs to go on from its position without what came before.
ALTER TABLE consumers ADD COLUMN state BLOB;
