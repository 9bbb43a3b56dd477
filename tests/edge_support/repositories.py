"""Update repositories in memory: published by the pure code, spoiled by tests, read by the client."""

import functools
import json
from datetime import timedelta

from edge_support.bundles import AT, bundle, packed, revision
from maestro.edge import delta
from maestro.edge.repository import Lifetimes, Present, Roles, Target, next_metadata, next_root
from maestro.edge.trust import begin
from maestro.edge.trust_state import TrustState
from maestro.formats import tuf_keys
from maestro.formats.opa_bundle import bundle_of, read_bundle

DAY = timedelta(days=1)
LIFETIMES = Lifetimes()


@functools.cache
def role_pair(name):
    private, public = tuf_keys.generate_role_key()
    return tuf_keys.role_signer(private), tuf_keys.role_key(public)


class Repository:
    """A repository's files by path, and its publisher."""

    def __init__(self, **thresholds):
        self.files = {}
        self.names = {role: [role] for role in ("root", "targets", "snapshot", "timestamp")}
        self.thresholds = dict.fromkeys(self.names, 1) | thresholds
        self.epoch = 1
        self.offered = []
        self.held = None  # names of the private keys at hand; None is all

    def roles(self):
        keys = {role: [role_pair(name)[1] for name in names] for role, names in self.names.items()}
        return Roles(keys, self.thresholds, self.epoch)

    def signer_of(self, key_id):
        for name in self.held or {
            "old-root",
            *(name for names in self.names.values() for name in names),
            *self.former,
        }:
            signer, key = role_pair(name)
            if key.keyid == key_id:
                return signer
        return None

    former = ()

    def latest(self, role):
        if role == "timestamp":
            return self.files.get("metadata/timestamp.json")
        numbered = [
            int(path.split("/")[1].split(".")[0]) for path in self.files if path.endswith(f".{role}.json")
        ]
        return self.files[f"metadata/{max(numbered)}.{role}.json"] if numbered else None

    def present(self):
        return Present(*(self.latest(role) for role in ("root", "timestamp", "snapshot", "targets")))

    def publish(self, targets=None, at=AT, lifetimes=LIFETIMES):
        root = next_root(self.latest("root"), self.roles(), self.signer_of, at, lifetimes.root)
        writes = [] if root is None else [root]
        self.offered = self.offered if targets is None else list(targets)
        trusted = root.content if root else self.latest("root")
        writes += next_metadata(self.present(), trusted, targets, self.signer_of, at, lifetimes)
        for target in self.offered:
            (path,) = self.path_of(target)
            self.files[f"targets/{path}"] = target.content
        self.files |= {write.path: write.content for write in writes}
        return writes

    def path_of(self, target):
        from tuf.api.metadata import TargetFile

        return TargetFile.from_data(target.name, target.content, ["sha256"]).get_prefixed_paths()

    def bundle(self, number=7, base=None, at=AT, epoch=None, **changes):
        """Publish a bundle, and a delta from `base` (files) if given; the bundle's files."""
        files = bundle(revision(number) | changes)
        made = bundle_of(files)
        custom = {"kind": "bundle", "revision": str(number), "digest": made.digest, "keyEpoch": epoch or self.epoch, "tzdata": "2026a"}  # fmt: skip
        targets = [Target("bundle.tar.gz", packed(files), custom)]
        if base is not None:
            before = bundle_of(base)
            more = custom | {"kind": "delta", "baseDigest": before.digest}
            targets.append(Target(f"deltas/{number}.delta", delta.make(before, made), more))
        self.publish(targets, at)
        return files

    def handed_over(self):
        """What a new edge begins with."""
        return TrustState(self.files["metadata/1.root.json"])

    def refresh(self, state=None, at=AT):
        """The client's refresh to its end."""
        update = begin(state or self.handed_over(), at)
        while update.wants:
            update = update.feed(self.files.get(f"metadata/{update.wants.path}"))
        return update

    def edit(self, role, change):
        """Change a role's signed part and leave its signatures as they are."""
        path = next(path for path, data in self.files.items() if data is self.latest(role))
        document = json.loads(self.files[path])
        change(document)
        self.files[path] = json.dumps(document).encode()


def read(target, repository):
    data = repository.files[f"targets/{target.path}"]
    target.check(data)
    return read_bundle(data)
