"""Arrow and Parquet schemas as contracts: their written form, and which change breaks whom (ADR-1123)."""
