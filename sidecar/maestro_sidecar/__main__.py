"""``python -m maestro_sidecar`` is ``maestro``."""

from __future__ import annotations

import sys

from maestro_sidecar.cli import main

if __name__ == "__main__":
    sys.exit(main())
