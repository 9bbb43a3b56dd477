"""Avro schemas as contracts: read, resolved and compared by Avro's own rules (Apache Avro 1.12 specification)."""
