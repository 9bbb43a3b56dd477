"""Lake tables in Delta Lake, by deltalake in process."""

from maestro_adapters.delta.table import DeltaLake, declared

__all__ = ["DeltaLake", "declared"]
