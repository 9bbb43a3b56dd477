"""Lake tables in Delta Lake, by deltalake in process."""
