"""JSON Schema, drafts 4 to 2020-12, as contracts: read, resolved and compared by the field's registry rules (ADR-1124)."""
