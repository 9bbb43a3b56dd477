"""Publishing: the same again changes nothing, a publisher killed at any write leaves clients with one whole state."""

import json
from datetime import timedelta

import attrs
import pytest

from edge_support.bundles import AT, HOUR, POLICY
from maestro import BadInputError, PortError, UntrustedError
from maestro.edge import delta
from maestro.edge.bundle_targets import check_mark, offered
from maestro.edge.keyring import first_plan, parse_plan, rotated
from maestro.edge.trust import begin
from maestro.edge.trust_state import TrustState
from maestro.edge.verify import Expected, TrustedKey, verify_archive
from maestro.formats.opa_bundle import canonical_tar, read_bundle
from maestro.runtime.publishing import Order, Publisher
from maestro_adapters.edge_keys import KeyFolder
from maestro_adapters.folder_repository import FolderRepository

CONTENT = {
    ".manifest": b'{"revision":"","roots":["limits"]}',
    "limits/data.json": b'{"users":["ann"]}',
    "limits/limits.rego": POLICY,
}
NEXT = CONTENT | {
    "limits/data.json": b'{"users":["ann","bob"]}',
    "limits/more.rego": b"package limits.more\n",
}


@attrs.define
class Memory:
    """A repository in memory that loses power after so many writes."""

    files: dict = attrs.field(factory=dict)
    writes_left: int = 10_000

    def read(self, path):
        return self.files.get(path)

    def names(self, folder):
        return tuple(path.rpartition("/")[2] for path in self.files if path.rpartition("/")[0] == folder)

    def write(self, path, content):
        if not self.writes_left:
            raise PortError("power is gone")
        self.writes_left -= 1
        self.files[path] = content


@attrs.define
class Clock:
    at: object = AT

    def now(self):
        return self.at


@pytest.fixture(scope="session")
def made_keys(tmp_path_factory):
    folder = KeyFolder(tmp_path_factory.mktemp("keys") / "keys")
    folder.create("ES256", 3, 2)
    return folder


@pytest.fixture
def keys(made_keys, tmp_path):
    """A copy that a test may rotate."""
    import shutil

    shutil.copytree(made_keys._path, tmp_path / "keys")
    return KeyFolder(tmp_path / "keys")


def publisher(files, keys, clock=None):
    return Publisher(files, keys.load(), clock or Clock())


def client(files, state=None, at=AT):
    """What an edge sees: the refresh's end and the verified bundle that is offered."""
    update = begin(state or TrustState(files["metadata/1.root.json"]), at)
    while update.wants:
        update = update.feed(files.get(f"metadata/{update.wants.path}"))
    target = offered(update)
    data = files[f"targets/{target.file.path}"]
    target.file.check(data)
    return update, target, data


def verified(data, keys, at=AT, **expected):
    keyring = keys.load()
    trusted = [TrustedKey(keyring.bundle_id, keyring.bundle.public)]
    return verify_archive(data, trusted, at=at, expected=Expected(**expected))


def test_what_is_published_is_trusted_by_a_client_and_stands_at_one_address_too(keys):
    memory = Memory()
    done = publisher(memory, keys).publish(CONTENT, Order(tzdata="2026a", scope="write"))
    assert (done.revision, done.changed, dict(done.deltas)) == ("1", True, {})
    _, target, data = client(memory.files)
    assert (target.revision, target.digest, target.tzdata, target.key_epoch) == (1, done.digest, "2026a", 1)
    verdict = verified(data, keys, scope="write", digest=done.digest)
    assert (verdict.reasons, verdict.file_digest) == ((), done.file_digest)
    assert verdict.claims.expires == AT + timedelta(days=90)
    assert memory.files["bundle.tar.gz"] == data
    assert done.written[-2:] == ("metadata/timestamp.json", "bundle.tar.gz")
    assert publisher(memory, keys).content()["limits/limits.rego"] == POLICY


def test_publishing_the_same_again_only_renews_the_timestamp(keys):
    memory = Memory()
    first = publisher(memory, keys).publish(CONTENT, Order())
    before = dict(memory.files)
    again = publisher(memory, keys, Clock(AT + HOUR)).publish(CONTENT, Order())
    assert (again.revision, again.digest, again.changed) == ("1", first.digest, False)
    changed = {path for path in memory.files if memory.files[path] != before.get(path)}
    assert changed == {"metadata/timestamp.json"}
    assert publisher(memory, keys).publish(CONTENT, Order(revision=1)).changed is False


def test_a_change_is_the_next_revision_with_deltas_from_those_before(keys):
    memory = Memory()
    bases = {}
    for number in range(1, 6):
        content = CONTENT | {
            "limits/data.json": json.dumps({"users": ["u" * 30] * 100, "n": number}).encode()
        }
        done = publisher(memory, keys).publish(content, Order())
        assert done.revision == str(number)
        bases[done.digest] = read_bundle(memory.files["bundle.tar.gz"]).files
    _, target, data = client(memory.files)
    assert len(target.deltas) == len(done.deltas) == 3
    for base, file in target.deltas.items():
        made = memory.files[f"targets/{file.path}"]
        file.check(made)
        assert delta.apply(bases[base], made) == canonical_tar(read_bundle(data).files)
    assert publisher(memory, keys).publish(CONTENT, Order(deltas=0)).deltas == {}


def test_a_signature_that_would_soon_end_is_a_reason_to_publish_anew(keys):
    memory = Memory()
    publisher(memory, keys).publish(CONTENT, Order())
    assert not publisher(memory, keys, Clock(AT + timedelta(days=44))).publish(CONTENT, Order()).changed
    later = AT + timedelta(days=46)
    assert publisher(memory, keys, Clock(later)).publish(CONTENT, Order()).revision == "2"
    assert publisher(memory, keys, Clock(later)).publish(CONTENT, Order(scope="x")).revision == "3"


def test_refresh_signs_anew_what_is_past_half_of_its_life(keys):
    memory = Memory()
    publisher(memory, keys).publish(CONTENT, Order())

    def written(days):
        return publisher(memory, keys, Clock(AT + timedelta(days=days))).refresh(Order())

    assert written(0.1) == ("metadata/timestamp.json",)
    assert written(4) == ("metadata/2.snapshot.json", "metadata/timestamp.json")
    assert written(50) == ("metadata/2.targets.json", "metadata/3.snapshot.json", "metadata/timestamp.json")
    assert written(200)[0] == "metadata/2.root.json"
    assert client(memory.files, at=AT + timedelta(days=200))[1].revision == 1
    with pytest.raises(BadInputError, match="no bundle"):
        publisher(Memory(), keys).refresh(Order())


def test_several_bundles_in_one_repository(keys):
    memory = Memory()
    publisher(memory, keys).publish(CONTENT, Order())
    publisher(memory, keys).publish(NEXT, Order(name="other"))
    publisher(memory, keys).publish(NEXT, Order())
    update = client(memory.files)[0]
    assert offered(update).revision == 2
    assert offered(update, "other").revision == 1
    assert sorted(update.targets.targets) == ["bundle.tar.gz", "deltas/bundle-1-2.delta", "other.tar.gz"]


@pytest.mark.parametrize(("asked", "match"), [(0, "decimal"), (10**19, "decimal"), (-1, "decimal")])
def test_revisions_are_decimal(keys, asked, match):
    with pytest.raises(BadInputError, match=match):
        publisher(Memory(), keys).publish(CONTENT, Order(revision=asked))


def test_a_revision_is_given_out_once(keys):
    memory = Memory()
    publisher(memory, keys).publish(CONTENT, Order(revision=5))
    for taken in (4, 5):
        with pytest.raises(BadInputError, match="above 5"):
            publisher(memory, keys).publish(NEXT, Order(revision=taken))
    with pytest.raises(BadInputError, match="above 5"):
        publisher(memory, keys).publish(CONTENT, Order(revision=4))
    assert publisher(memory, keys).publish(NEXT, Order(revision=9)).revision == "9"


def test_content_that_is_no_bundle_is_not_published(keys):
    memory = Memory()
    with pytest.raises(UntrustedError) as caught:
        publisher(memory, keys).publish(CONTENT | {"elsewhere/data.json": b"1"}, Order())
    assert caught.value.code == "outside_roots"
    assert memory.files == {}


# ---- killed at each write --------------------------------------------------------------------------------


def states(keys):
    """One publication after another: first, change, roles rotated, bundle key rotated."""
    yield lambda memory: publisher(memory, keys).publish(CONTENT, Order())
    yield lambda memory: publisher(memory, keys).publish(NEXT, Order())
    keys.rotate(["root", "targets", "snapshot", "timestamp"], bundle=False)
    yield lambda memory: publisher(memory, keys).refresh(Order())
    keys.rotate(["targets"], bundle=True)
    yield lambda memory: publisher(memory, keys).publish(NEXT, Order())


def test_a_publisher_killed_at_any_write_leaves_a_whole_state_and_ends_in_the_new_one(keys):
    memory, state = Memory(), None
    for step, publish in enumerate(states(keys)):
        before = dict(memory.files)
        whole = Memory(dict(before))
        publish(whole)
        count = 10_000 - whole.writes_left
        assert count >= 3
        for allowed in range(count):
            killed = Memory(dict(before), allowed)
            with pytest.raises(PortError):
                publish(killed)
            if step in (0, 1):  # no new root: clients see exactly the old state until the timestamp is there
                check_unchanged(before, killed.files, state, allowed >= count - 1)
            killed.writes_left = 10_000
            publish(killed)
            update, target, data = client(killed.files, state)
            assert verified(data, keys, digest=target.digest).reasons == ()
            assert target.digest == read_bundle(killed.files["bundle.tar.gz"]).digest
            if state is not None:
                check_mark(state.mark, target)
        publish(memory)
        update, target, _ = client(memory.files, state)
        state = update.state.marked(target.key_epoch, target.revision, target.digest)
    assert (update.root.version, target.key_epoch, target.revision) == (3, 2, 3)


def check_unchanged(before, after, state, timestamp_is_there):
    if not before:
        if not timestamp_is_there and "metadata/1.root.json" in after:
            with pytest.raises(UntrustedError):
                client(after, state)
        return
    old, new = client(before, state)[1], client(after, state)[1]
    assert (new == old) is not timestamp_is_there


# ---- keys ------------------------------------------------------------------------------------------------


def test_a_bundle_key_that_was_stolen_is_replaced_and_its_revision_undone(keys):
    memory = Memory()
    publisher(memory, keys).publish(CONTENT, Order(revision=10**18))
    update, target, _ = client(memory.files)
    state = update.state.marked(target.key_epoch, target.revision, target.digest)
    keys.rotate(["targets", "snapshot", "timestamp"], bundle=True)
    publisher(memory, keys).publish(NEXT, Order(revision=2))
    update, target, data = client(memory.files, state)
    check_mark(state.mark, target)
    assert (target.revision, target.key_epoch) == (2, 2)
    assert verified(data, keys).reasons == ()


def test_private_keys_may_be_elsewhere_until_they_are_needed(keys):
    memory = Memory()
    publisher(memory, keys).publish(CONTENT, Order())
    folder = keys._path
    for name in ("root-1", "root-2", "root-3"):
        (folder / f"{name}.pem").unlink()
    assert publisher(memory, keys).publish(NEXT, Order()).revision == "2"
    keys.rotate(["timestamp"], bundle=False)
    with pytest.raises(BadInputError, match="role root"):
        publisher(memory, keys).refresh(Order())
    (folder / "bundle-1.pem").unlink()
    with pytest.raises(BadInputError, match="bundle-1"):
        publisher(memory, keys).publish(CONTENT, Order())


def test_without_the_bundles_key_what_stands_still_stands(keys):
    memory = Memory()
    publisher(memory, keys).publish(CONTENT, Order())
    (keys._path / "bundle-1.pem").unlink()
    assert publisher(memory, keys).publish(CONTENT, Order()).changed is False


@pytest.mark.parametrize("role", ["root", "timestamp", "snapshot", "targets"])
def test_nothing_is_built_on_a_repository_that_somebody_changed(keys, role):
    """A publisher that signs what it finds would make a stranger's file a trusted one."""
    memory = Memory()
    publisher(memory, keys).publish(CONTENT, Order())
    path = "metadata/timestamp.json" if role == "timestamp" else f"metadata/1.{role}.json"
    document = json.loads(memory.files[path])
    document["signed"]["expires"] = "2036-01-01T00:00:00Z"
    memory.files[path] = json.dumps(document).encode()
    with pytest.raises(UntrustedError) as caught:
        publisher(memory, keys).publish(NEXT, Order())
    assert caught.value.code == "keys_too_few"


def test_a_bundle_that_was_changed_in_the_repository_is_noticed(keys):
    memory = Memory()
    publisher(memory, keys).publish(CONTENT, Order())
    (path,) = (path for path in memory.files if path.startswith("targets/"))
    memory.files[path] += b"x"
    with pytest.raises(UntrustedError, match="missing, or is not"):
        publisher(memory, keys).publish(NEXT, Order())


def test_keys_are_made_once_private_and_named_by_their_plan(tmp_path):
    folder = KeyFolder(tmp_path / "new")
    plan = folder.create("RS256", 1, 1)
    assert plan == folder.plan()
    assert {path.name for path in (tmp_path / "new").iterdir()} == {
        "keys.json", *(f"{name}.{kind}" for name in plan.names() for kind in ("pem", "pub"))
    }  # fmt: skip
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "new").glob("*.pem"))
    with pytest.raises(BadInputError, match="already"):
        folder.create("ES256", 1, 1)
    with pytest.raises(BadInputError, match="at most"):
        folder.create("ES256", 1, 2)
    (tmp_path / "new" / "bundle-1.pub").unlink()
    folder.load()
    (tmp_path / "new" / "root-1.pub").unlink()
    with pytest.raises(BadInputError, match=r"root-1\.pub"):
        folder.load()
    (tmp_path / "file").write_text("x")
    with pytest.raises(BadInputError, match="written"):
        KeyFolder(tmp_path / "file" / "keys").create("ES256", 1, 1)
    with pytest.raises(BadInputError, match="locked"), KeyFolder(tmp_path / "none").alone():
        pass
    with pytest.raises(BadInputError, match="readable"):
        KeyFolder(tmp_path / "none").plan()


def test_new_keys_have_new_names():
    plan = first_plan("ES256", 2, 1)
    once = rotated(plan, ["root", "timestamp"], bundle=True)
    assert (once.roles["root"].keys, once.retired) == (("root-3", "root-4"), ("root-1", "root-2"))
    assert (once.bundle.name, once.key_epoch, once.roles["timestamp"].keys) == (
        "bundle-2",
        2,
        ("timestamp-2",),
    )
    assert rotated(plan, [], bundle=False) == plan


@pytest.mark.parametrize(
    "change",
    [
        {"keyEpoch": 0}, {"roles": {}}, {"more": 1}, {"bundle": {"name": "../x", "algorithm": "ES256"}},
        {"bundle": {"name": "", "algorithm": "ES256"}},
        {"roles": {role: {"threshold": 2, "keys": ["a", "a"]} for role in ("root", "targets", "snapshot", "timestamp")}},
        {"roles": {role: {"threshold": 1, "keys": ["a"]} for role in ("root", "targets", "snapshot", "timestamp", "mirror")}},
    ],
)  # fmt: skip
def test_a_plan_of_keys_makes_sense(change):
    import msgspec

    plan = json.loads(msgspec.json.encode(first_plan("ES256", 1, 1)))
    assert parse_plan(json.dumps(plan).encode()) == first_plan("ES256", 1, 1)
    with pytest.raises(BadInputError):
        parse_plan(json.dumps(plan | change).encode())


# ---- the folder ------------------------------------------------------------------------------------------


def test_a_folder_keeps_files_whole(tmp_path):
    folder = FolderRepository(tmp_path / "repository")
    assert folder.read("a/b") is None
    assert folder.names("a") == ()
    folder.write("a/b", b"1")
    folder.write("a/b", b"2")
    assert (folder.read("a/b"), folder.names("a")) == (b"2", ("b",))
    assert (tmp_path / "repository/a/b").stat().st_mode & 0o777 == 0o644
    assert folder.read("a/b/c") is None
    assert folder.names("a/b") == ()


def test_a_folder_that_cannot_be_written_says_so_and_leaves_nothing_behind(tmp_path, monkeypatch):
    folder = FolderRepository(tmp_path)
    folder.write("a", b"old")
    with pytest.raises(PortError, match="written"):
        folder.write("a/b", b"")

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        with pytest.raises(PortError, match="No space left"):
            folder.write("a", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert folder.read("a") == b"old"
    with pytest.raises(PortError, match="read"):
        folder.read("")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(PortError, match="read"):
        folder.names("loop")


def test_a_real_process_killed_while_it_publishes(keys, tmp_path):
    """kill -9 at chosen writes of a real publisher on a real disk; the next one ends its work."""
    import os
    import subprocess
    import sys

    code = """
import os, signal, sys
from maestro_adapters.folder_repository import FolderRepository
left = int(sys.argv.pop(1))
write = FolderRepository.write
def killed(self, path, content):
    global left
    if "repository" in str(self._root):
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
    write(self, path, content)
FolderRepository.write = killed
from maestro_sidecar.cli import main
sys.exit(main(sys.argv[1:]))
"""
    source = tmp_path / "source"
    for name, content in CONTENT.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(content)
    command = [
        "edge",
        "publish",
        str(source),
        str(tmp_path / "repository"),
        "--keys",
        str(keys._path),
        "--no-plan",
    ]

    def run(left):
        return subprocess.run([sys.executable, "-c", code, str(left), *command], env=os.environ, check=False).returncode  # fmt: skip

    assert run(1) == -9
    assert run(4) == -9
    assert run(99) == 0
    files = {
        path.relative_to(tmp_path / "repository").as_posix(): path.read_bytes()
        for path in (tmp_path / "repository").rglob("*")
        if path.is_file()
    }
    from maestro_adapters.clock import SystemClock

    now = SystemClock().now()
    assert client(files, at=now)[1].revision == 1
    assert verified(client(files, at=now)[2], keys, at=now).reasons == ()
