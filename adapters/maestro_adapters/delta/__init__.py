"""Lake tables in Delta Lake, by deltalake in process."""

from maestro_adapters.delta.declaring import declared
from maestro_adapters.delta.table import DeltaLake

__all__ = ["DeltaLake", "declared"]
