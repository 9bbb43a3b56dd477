#!/usr/bin/env python
"""A TUF client on maestro.edge.trust, with the three commands that tuf-conformance drives: init, refresh, download.

    client.py --metadata-dir DIR init ROOT
    client.py --metadata-dir DIR --metadata-url URL refresh
    client.py --metadata-dir DIR --metadata-url URL --target-name N --target-base-url URL --target-dir DIR download

Everything that decides is the library's; this file fetches, and keeps what was accepted.
"""

import argparse
import shutil
import sys
from pathlib import Path
from urllib.parse import quote

import urllib3

from maestro import MaestroError, PortError
from maestro.edge.bundle_targets import target_file
from maestro.edge.trust import begin
from maestro.edge.trust_state import TrustState
from maestro_adapters.clock import SystemClock

ROLES = ("root", "timestamp", "snapshot", "targets")


def fetch(url, most):
    """The file's bytes; None where there is none."""
    try:
        with urllib3.PoolManager(retries=False, timeout=30) as pool:
            answer = pool.request("GET", url, preload_content=False)
            body = answer.read(most + 1)
            answer.release_conn()
    except urllib3.exceptions.HTTPError as error:
        raise PortError(f"{url}: {error}") from error
    if answer.status in (403, 404):
        return None
    if answer.status != 200:
        raise PortError(f"{url} answered {answer.status}")
    return body


def load(folder):
    """What was accepted before."""
    return TrustState(**{role: read(folder / f"{role}.json") for role in ROLES})


def read(path):
    return path.read_bytes() if path.exists() else None


def keep(folder, state):
    """Each accepted file under its role's name; a role that is no longer trusted goes."""
    for role in ROLES:
        path, data = folder / f"{role}.json", getattr(state, role)
        if data is None:
            path.unlink(missing_ok=True)
        elif data != read(path):
            fresh = path.with_suffix(".new")
            fresh.write_bytes(data)
            fresh.replace(path)


def refresh(folder, url):
    """The refresh to its end; what is accepted on the way is kept at once."""
    update = begin(load(folder), SystemClock().now())
    while update.wants:
        data = fetch(f"{url.rstrip('/')}/{quote(update.wants.path)}", update.wants.most_bytes)
        update = update.feed(data)
        keep(folder, update.state)
    return update


def download(update, names, base, folder):
    for name in names:
        target = target_file(update, name)
        place = folder / quote(name, safe="")
        kept = read(place)
        if kept is not None:
            try:
                target.check(kept)
                continue
            except MaestroError:
                pass  # the content of this name has changed
        data = fetch(f"{base.rstrip('/')}/{quote(target.path)}", target.length)
        if data is None:
            raise PortError(f"there is no {target.path}")
        target.check(data)
        place.write_bytes(data)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--metadata-dir", type=Path, required=True)
    parser.add_argument("--metadata-url")
    parser.add_argument("--target-name", action="append", default=[])
    parser.add_argument("--target-base-url")
    parser.add_argument("--target-dir", type=Path)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("init").add_argument("root")
    commands.add_parser("refresh")
    commands.add_parser("download")
    given = parser.parse_args()
    try:
        if given.command == "init":
            shutil.copyfile(given.root, given.metadata_dir / "root.json")
            return 0
        update = refresh(given.metadata_dir, given.metadata_url)
        if given.command == "download":
            download(update, given.target_name, given.target_base_url, given.target_dir)
    except (MaestroError, OSError) as error:
        print(f"{getattr(error, 'code', 'failed')}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
