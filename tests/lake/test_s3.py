"""Two writers on one S3-compatible server with conditional put; change files under a prefix."""

import getpass
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote, urlparse

import pyarrow.parquet as pq
import pytest
from pyarrow import fs

from lake.support import batch, change, live
from maestro.testing.strategies.changes import AT
from maestro_adapters.change_files import ChangeFiles, read_parquet
from maestro_adapters.delta import DeltaLake

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("s3")]
WRITER = """
import sys
sys.path.insert(0, {tests!r})
from lake.support import *
table = DeltaLake.open({address!r}, storage_options={options!r})
attempts = 0
for turn in range(1, 7):
    rows = [change(number, 10 * turn + {first}, "u") for number in range({first}, {first} + 8)]
    attempts = max(attempts, table.merge(batch(*rows), {{"w{first}": turn}}, now=AT).attempts)
table.close()
print(attempts)
"""


@pytest.fixture(scope="module")
def server(service):
    """Address of the server, with the moto of this environment."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    address = service("s3", S3_KIND="moto", PATH=path, SERVICES_USER=getpass.getuser())
    system = fs.S3FileSystem(
        endpoint_override=address, access_key="test", secret_key="testtest", allow_bucket_creation=True
    )
    system.create_dir("lake")
    return address, system


@pytest.fixture
def options(server):
    return {
        "AWS_ENDPOINT_URL": server[0],
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "testtest",
        "AWS_REGION": "us-east-1",
        "aws_conditional_put": "etag",
    }


def test_two_processes_lose_nothing(options):
    from lake.support import lake

    address = "s3://lake/runs"
    table = lake(address, storage_options=options)
    table.merge(batch(*map(change, range(12))), {"s": 0}, now=AT)
    table.append(batch(change(12)), {"s": 1}, now=AT)
    tests = str(Path(__file__).parent.parent)
    codes = [WRITER.format(tests=tests, address=address, options=options, first=first) for first in (0, 4)]
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for code in codes
    ]
    for writer in writers:
        _, errors = writer.communicate(timeout=240)
        assert writer.returncode == 0, errors
    want = {f"e{number:05d}": 60 if number < 4 else 64 for number in range(12)} | {"e00012": 1}
    assert live(table) == want
    table.fold(now=AT)
    assert live(table) == want
    assert table.status().positions == {"s": 1, "w0": 6, "w4": 6}
    other = DeltaLake.open(address, storage_options=options)
    assert live(other) == want


def test_changes_under_a_prefix(server):
    address, system = server
    for number in range(2):
        pq.write_table(batch(change(number)), f"lake/changes/{number}.parquet", filesystem=system)
    where = urlparse(address)
    found = ChangeFiles(
        f"s3://test:testtest@lake/changes?scheme=http&endpoint_override={quote(where.netloc)}",
        read_parquet("s"),
    )
    found.start(lambda _lanes: {})
    told = found.poll(100, 1 << 30, 0)
    assert [lane.rpartition("/")[2] for lane in told.positions] == ["0.parquet", "1.parquet"]
    assert len(told.batch) == 2
