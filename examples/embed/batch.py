"""A batch runner with Maestro in it: threads, one SQLite file, at most two jobs of a package at once.

Start it twice at the same time: the cap holds across both, because both use the same file.
"""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from maestro.limits.decision import Decision
from maestro.runtime import BlockingLimits
from maestro_adapters.clock import SystemClock
from maestro_adapters.sqlite import SqliteDocuments, SqliteLeases

LIMITS = {"tenant": "acme", "maxConcurrent": 3, "packageCaps": {"etl/*": 2}}
JOBS = [(f"job-{number}", "etl/load" if number % 2 else "etl/extract") for number in range(8)]


def run_job(limits: BlockingLimits, run: str, package: str) -> int:
    """Wait for a slot as advised, run the job's process, give the slot back."""
    while isinstance(
        answer := limits.acquire(run=run, tenant="acme", package=package, expected=0.5), Decision
    ):
        if answer.retry_after is None:
            print(f"{run}: given up. {answer.explanation}")
            return 1
        print(f"{run}: {answer.explanation}")
        time.sleep(answer.retry_after)
    with answer as slot:  # renewed in the background, released at the end, also when the job raises
        print(f"{run}: runs under fencing token {slot.token}")
        return subprocess.run([sys.executable, "-c", "import time; time.sleep(0.3)"], check=False).returncode


def main(store: Path) -> int:
    """Run all jobs; 0 when each ended well."""
    leases, documents = SqliteLeases(store), SqliteDocuments(store)
    with BlockingLimits(leases, SystemClock(), documents) as limits, ThreadPoolExecutor(4) as threads:
        limits.put(LIMITS, by="examples/embed")
        codes = list(threads.map(lambda job: run_job(limits, *job), JOBS))
    leases.close()
    documents.close()
    return max(codes)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "batch.db")))
