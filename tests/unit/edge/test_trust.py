"""The TUF client workflow as a value: what it trusts, what it refuses and by which step (specification 1.0, section 5)."""

import copy
import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_support.bundles import AT, bundle, revision
from edge_support.repositories import DAY, Repository, read, role_pair
from maestro import BadInputError, UntrustedError
from maestro.edge import delta
from maestro.edge.bundle_targets import accepted, check_mark, offered, target_file
from maestro.edge.repository import Lifetimes, Target
from maestro.edge.trust import begin, key_epoch
from maestro.edge.trust_state import Mark, TrustState, decode_state, encode_state
from maestro.formats import tuf_keys
from maestro.formats.opa_bundle import canonical_tar, digest


@pytest.fixture
def repository():
    made = Repository()
    made.bundle(7)
    return made


def refusal(call, *arguments, **named):
    with pytest.raises(UntrustedError) as caught:
        call(*arguments, **named)
    assert caught.value.remedy
    return caught.value.code


def test_a_new_edge_needs_a_root_and_fetches_three_files(repository):
    update, wanted = begin(repository.handed_over(), AT), []
    while update.wants:
        wanted.append(update.wants.path)
        update = update.feed(repository.files.get(f"metadata/{wanted[-1]}"))
    assert wanted == ["2.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json"]
    assert update.fresh_until == AT + DAY
    assert update.feed(b"ignored") is update
    target = offered(update)
    assert (target.revision, target.key_epoch, target.tzdata, dict(target.deltas)) == (7, 1, "2026a", {})
    assert read(target.file, repository).digest == target.digest


def test_when_nothing_changed_only_the_timestamp_is_fetched(repository):
    state = repository.refresh().state
    update = begin(state, AT).feed(None)
    assert update.wants.path == "timestamp.json"
    update = update.feed(repository.files["metadata/timestamp.json"])
    assert update.wants is None
    assert offered(update).revision == 7
    repository.publish(at=AT + DAY / 2)
    update = begin(state, AT).feed(None).feed(repository.files["metadata/timestamp.json"])
    assert update.wants is None, "a new timestamp over the same snapshot"
    assert update.fresh_until == AT + DAY / 2 + DAY


def test_what_is_not_at_its_end_offers_nothing(repository):
    update = begin(repository.handed_over(), AT)
    assert refusal(offered, update) == "metadata_mismatch"
    with pytest.raises(UntrustedError, match="end"):
        _ = update.fresh_until


def test_a_new_revision_comes_with_a_delta(repository):
    state = repository.refresh().state
    base = bundle(revision(7))
    files = repository.bundle(8, base)
    target = offered(repository.refresh(state))
    (delta_file,) = target.deltas.values()
    assert list(target.deltas) == [digest(base)]
    data = repository.files[f"targets/{delta_file.path}"]
    delta_file.check(data)
    assert delta.apply(base, data) == canonical_tar(files)
    assert digest(files) == target.digest
    assert refusal(delta_file.check, data + b"x") == refusal(delta_file.check, data[:-1] + b"x") == "digest_mismatch"  # fmt: skip


def test_state_is_kept_as_json(repository):
    state = accepted(repository.refresh().state, offered(repository.refresh()))
    assert decode_state(encode_state(state)) == state
    assert state.mark == Mark(1, 7, offered(repository.refresh()).digest)
    for damaged in (b"", b"{}", encode_state(state)[:-4], b'{"root": "!"}', b'"\xff"'):
        assert refusal(decode_state, damaged) == "state_damaged"


# ---- the mark --------------------------------------------------------------------------------------------


def test_the_mark_is_only_raised_within_its_epoch():
    state = TrustState(b"").marked(1, 7, "a")
    assert state.marked(1, 6, "b").mark == Mark(1, 7, "a")
    assert state.marked(1, 8, "b").mark == Mark(1, 8, "b")
    assert state.marked(2, 1, "b").mark == Mark(2, 1, "b")


def test_an_older_revision_is_refused_though_it_is_signed_anew(repository):
    target = offered(repository.refresh())
    check_mark(None, target)
    check_mark(Mark(1, 7, target.digest), target)
    check_mark(Mark(1, 6, "x"), target)
    assert refusal(check_mark, Mark(1, 8, "x"), target) == "revision_rollback"
    assert refusal(check_mark, Mark(1, 7, "x"), target) == "revision_content_mismatch"
    assert refusal(check_mark, Mark(2, 1, "x"), target) == "revision_rollback"


def test_a_stolen_key_that_signed_the_highest_revision_is_undone_by_a_new_root(repository):
    state = repository.refresh().state
    repository.bundle(10**18)
    update = repository.refresh(state)
    state = accepted(update.state, offered(update))
    repository.names |= {role: [f"new-{role}"] for role in ("targets", "snapshot", "timestamp")}
    repository.epoch = 2
    repository.bundle(8)
    update = repository.refresh(state)
    assert offered(update).revision == 8
    check_mark(state.mark, offered(update))
    assert accepted(update.state, offered(update)).mark == Mark(2, 8, offered(update).digest)


# ---- 5.3 root --------------------------------------------------------------------------------------------


def test_roots_are_followed_one_by_one(repository):
    first = repository.handed_over()
    for version in range(2, 6):
        repository.former = tuple(repository.names["root"])
        repository.names["root"] = [f"root-{version}"]
        repository.publish()
    assert repository.refresh(first).root.version == 5


def test_a_root_needs_the_old_keys_and_the_new(repository):
    thief = Repository()
    thief.names = {role: [f"thief-{role}"] for role in thief.names}
    thief.bundle(9)
    thief.names["root"] = ["thief-2"]
    thief.former = ("thief-root",)
    thief.publish()
    repository.files["metadata/2.root.json"] = thief.files["metadata/2.root.json"]
    assert refusal(repository.refresh) == "keys_too_few"


def test_a_root_of_another_version_is_refused(repository):
    first = repository.files["metadata/1.root.json"]
    repository.files["metadata/2.root.json"] = first
    assert refusal(repository.refresh) == "metadata_rollback"


def test_the_last_root_must_not_be_expired(repository):
    assert repository.refresh(at=AT + DAY - timedelta(seconds=1))
    repository.publish(lifetimes=Lifetimes(timestamp=timedelta(days=999)))
    assert refusal(repository.refresh, at=AT + timedelta(days=365)) == "metadata_expired"


def test_an_expired_root_on_the_way_does_not_matter(repository):
    later = AT + timedelta(days=400)
    repository.publish(at=later)
    assert repository.refresh(at=later).root.version == 2


def test_not_too_many_roots_at_once(repository, monkeypatch):
    monkeypatch.setattr("maestro.edge.trust._MOST_ROOTS", 3)
    for version in range(2, 6):
        repository.former = tuple(repository.names["root"])
        repository.names["root"] = [f"root-{version}"]
        repository.publish()
    assert refusal(repository.refresh) == "metadata_too_large"


def test_the_epoch_never_counts_back(repository):
    repository.epoch = 3
    repository.bundle(8)
    repository.epoch = 2
    repository.bundle(9)
    assert refusal(repository.refresh) == "metadata_rollback"


@pytest.mark.parametrize("epoch", [0, -1, True, "2", None])
def test_an_epoch_is_a_count(repository, epoch):
    root = copy.deepcopy(repository.refresh().root)
    root.unrecognized_fields["x-maestro-key-epoch"] = epoch
    assert refusal(key_epoch, root) == "metadata_malformed"
    root.unrecognized_fields.clear()
    assert key_epoch(root) == 1


def test_a_bundle_of_another_epoch_is_refused(repository):
    repository.bundle(8, epoch=4)
    assert refusal(offered, repository.refresh()) == "metadata_mismatch"


# ---- thresholds ------------------------------------------------------------------------------------------


def test_a_threshold_counts_keys():
    repository = Repository(targets=2)
    repository.names["targets"] = ["targets", "targets-2"]
    repository.bundle(7)
    assert offered(repository.refresh()).revision == 7
    repository.edit("targets", lambda document: document["signatures"].pop())
    update = begin(repository.handed_over(), AT).feed(None).feed(repository.latest("timestamp"))
    update = update.feed(repository.latest("snapshot"))
    assert refusal(update.feed, repository.latest("targets")) == "metadata_mismatch", "its hash is announced"
    announce(repository, "targets", repository.latest("targets"))
    assert refusal(repository.refresh) == "keys_too_few"


def test_one_key_under_two_names_is_one_key():
    """python-tuf counts key ids; the same bytes under two of them reached its threshold."""
    repository = Repository(timestamp=2)
    signer, key = role_pair("timestamp")
    twin = copy.deepcopy(key)
    twin.keyid = "0" * 64
    other = role_pair("timestamp-2")[1]
    repository.names["timestamp"] = ["timestamp", "timestamp-2"]
    repository.bundle(7)
    root = repository.refresh().root

    forged = copy.deepcopy(root)
    del forged.keys[other.keyid]
    forged.keys[twin.keyid] = twin
    forged.roles["timestamp"].keyids = [key.keyid, twin.keyid]
    from tuf.api.metadata import Metadata

    metadata = Metadata(forged)
    metadata.sign(role_pair("root")[0])
    timestamp = Metadata.from_bytes(repository.latest("timestamp"))
    timestamp.sign(signer)
    one = timestamp.signatures[key.keyid]
    timestamp.signatures[twin.keyid] = type(one)(twin.keyid, one.signature)
    assert forged.get_verification_result("timestamp", timestamp.signed_bytes, timestamp.signatures).verified
    update = begin(TrustState(metadata.to_bytes()), AT).feed(None)
    assert refusal(update.feed, timestamp.to_bytes()) == "keys_too_few"


def test_keys_are_told_apart_by_their_bytes():
    _, key = role_pair("root")
    assert len(tuf_keys.key_bytes(key)) == 32
    upper = copy.deepcopy(key)
    upper.keyval["public"] = upper.keyval["public"].upper()
    assert tuf_keys.key_bytes(upper) == tuf_keys.key_bytes(key)
    upper.keyval["public"] = "not hex"
    assert tuf_keys.key_bytes(upper) == b"not hex"
    from edge_support.bundles import pair

    ecdsa = tuf_keys.role_key(pair()[1])
    spaced = copy.deepcopy(ecdsa)
    spaced.keyval["public"] = spaced.keyval["public"] + "\n\n"
    assert tuf_keys.key_bytes(spaced) == tuf_keys.key_bytes(ecdsa)
    spaced.keyval["public"] = "-----BEGIN PUBLIC KEY-----"
    with pytest.raises(ValueError, match="PEM"):
        tuf_keys.key_bytes(spaced)
    for call in (tuf_keys.role_key, tuf_keys.role_signer):
        with pytest.raises(BadInputError, match="PEM"):
            call(b"rubbish")


# ---- 5.4 timestamp, 5.5 snapshot, 5.6 targets ------------------------------------------------------------


def test_older_files_are_refused(repository):
    old = dict(repository.files)
    repository.bundle(8)
    state = repository.refresh().state
    assert refusal(Repository.refresh, with_files(repository, old), state) == "metadata_rollback"


def with_files(repository, files):
    other = copy.copy(repository)
    other.files = dict(files)
    return other


def signed_anew(repository, role, **changes):
    """The role's file with other content, signed by the right key: what only its owner, or a thief, can do."""
    from tuf.api.metadata import Metadata

    metadata = Metadata.from_bytes(repository.latest(role))
    for name, value in changes.items():
        setattr(metadata.signed, name, value)
    metadata.sign(role_pair(role)[0])
    return metadata.to_bytes()


def announce(repository, role, data):
    """Let the levels above announce these bytes, as who holds their keys can."""
    from tuf.api.metadata import Metadata, MetaFile

    version = Metadata.from_bytes(data).signed.version
    repository.files[f"metadata/{version}.{role}.json"] = data
    meta = MetaFile.from_data(version, data, ["sha256"])
    if role == "targets":
        snapshot = Metadata.from_bytes(repository.latest("snapshot")).signed
        above = signed_anew(repository, "snapshot", meta={"targets.json": meta}, version=snapshot.version + 1)
        announce(repository, "snapshot", above)
    else:
        timestamp = Metadata.from_bytes(repository.latest("timestamp")).signed
        above = signed_anew(repository, "timestamp", snapshot_meta=meta, version=timestamp.version + 1)
        repository.files["metadata/timestamp.json"] = above


def test_a_snapshot_may_not_go_back_though_the_timestamp_is_new(repository):
    repository.bundle(8)
    state = repository.refresh().state
    old = signed_anew(repository, "snapshot", version=1)
    announce(repository, "snapshot", old)
    assert refusal(repository.refresh, state) == "metadata_rollback"


def test_targets_may_not_go_back_or_vanish_though_the_snapshot_is_new(repository):
    from tuf.api.metadata import MetaFile

    repository.bundle(8)
    state = repository.refresh().state
    announce(repository, "snapshot", signed_anew(repository, "snapshot", version=3, meta={"targets.json": MetaFile(1)}))  # fmt: skip
    assert refusal(repository.refresh, state) == "metadata_rollback"
    announce(repository, "snapshot", signed_anew(repository, "snapshot", version=4, meta={"other.json": MetaFile(9)}))  # fmt: skip
    assert refusal(repository.refresh, state) == "metadata_rollback"
    assert refusal(repository.refresh) == "metadata_malformed"


def test_after_their_keys_were_replaced_lower_versions_are_right(repository):
    """5.3.11: a thief signed the highest version; new keys begin anew."""
    top = 2**40
    announce(repository, "snapshot", signed_anew(repository, "snapshot", version=top))
    repository.files["metadata/timestamp.json"] = signed_anew(repository, "timestamp", version=top)
    state = repository.refresh().state
    fresh = Repository()
    fresh.names |= {"timestamp": ["new-timestamp"], "snapshot": ["new-snapshot"]}
    fresh.bundle(8)
    repository.names = fresh.names
    repository.publish()
    fresh.files["metadata/1.root.json"] = repository.files["metadata/1.root.json"]
    fresh.files["metadata/2.root.json"] = repository.files["metadata/2.root.json"]
    update = fresh.refresh(state)
    assert (update.timestamp.version, offered(update).revision) == (1, 8)


def test_files_of_two_states_do_not_mix(repository):
    mixed = dict(repository.files)
    repository.bundle(8)
    mixed["metadata/timestamp.json"] = repository.latest("timestamp")
    assert refusal(with_files(repository, mixed).refresh) == "metadata_mismatch", "a missing file"
    mixed["metadata/2.snapshot.json"] = mixed["metadata/1.snapshot.json"]
    assert refusal(with_files(repository, mixed).refresh) == "metadata_mismatch", "another one"
    repository.files["metadata/2.targets.json"] = repository.files["metadata/1.targets.json"]
    assert refusal(repository.refresh) == "metadata_mismatch"


def test_versions_must_be_those_announced(repository):
    from tuf.api.metadata import MetaFile

    timestamp = signed_anew(repository, "timestamp", snapshot_meta=MetaFile(2), version=2)
    repository.files["metadata/timestamp.json"] = timestamp
    repository.files["metadata/2.snapshot.json"] = repository.files["metadata/1.snapshot.json"]
    assert refusal(repository.refresh) == "metadata_mismatch"
    other = Repository()
    other.bundle(7)
    announce(other, "snapshot", signed_anew(other, "snapshot", version=2, meta={"targets.json": MetaFile(2)}))
    other.files["metadata/2.targets.json"] = other.files["metadata/1.targets.json"]
    assert refusal(other.refresh) == "metadata_mismatch"


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_everything_expires(role):
    repository = Repository()
    hour = timedelta(hours=1)
    repository.bundle(7)
    repository.files.clear()
    lifetimes = Lifetimes(**{role: hour}, root=10 * DAY)
    repository.publish(repository.offered, lifetimes=lifetimes)
    assert repository.refresh(at=AT + hour - timedelta(seconds=1)).fresh_until == AT + hour
    state = repository.refresh().state
    assert refusal(repository.refresh, at=AT + hour) == "metadata_expired"
    assert refusal(repository.refresh, state, at=AT + hour) == "metadata_expired"


@pytest.mark.parametrize("role", ["root", "timestamp", "snapshot", "targets"])
@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"\xff", b'{"signed":{},"signatures":[]}', b"[" * 9000])
def test_what_is_no_metadata_is_refused(repository, role, data):
    path = (
        "metadata/timestamp.json"
        if role == "timestamp"
        else f"metadata/{2 if role == 'root' else 1}.{role}.json"
    )
    repository.files[path] = data
    assert refusal(repository.refresh) in {"metadata_malformed", "metadata_mismatch", "metadata_too_large"}


def test_one_role_is_no_other(repository):
    repository.files["metadata/timestamp.json"] = repository.latest("snapshot")
    assert refusal(repository.refresh) == "metadata_malformed"
    assert refusal(begin, TrustState(repository.latest("targets")), AT) == "metadata_malformed"


def test_large_files_are_not_read(repository):
    repository.files["metadata/timestamp.json"] = bytes(16_385)
    assert refusal(repository.refresh) == "metadata_too_large"


def test_a_file_announced_by_a_weak_hash_is_refused(repository):
    from tuf.api.metadata import MetaFile

    meta = MetaFile.from_data(1, repository.latest("snapshot"), ["md5"])
    repository.files["metadata/timestamp.json"] = signed_anew(repository, "timestamp", snapshot_meta=meta, version=2)  # fmt: skip
    assert refusal(repository.refresh) == "hash_weak"


def test_without_hashes_and_lengths_versions_and_signatures_count(repository):
    from tuf.api.metadata import MetaFile

    timestamp = signed_anew(repository, "timestamp", snapshot_meta=MetaFile(1), version=2)
    repository.files["metadata/timestamp.json"] = timestamp
    update = begin(repository.handed_over(), AT).feed(None).feed(timestamp)
    assert (update.wants.path, update.wants.most_bytes) == ("1.snapshot.json", 2_000_000)
    assert offered(repository.refresh()).revision == 7


def test_keys_that_cannot_be_judged_are_no_keys(repository):
    def spoil(document):
        for key in document["signed"]["keys"].values():
            key["keyval"] = {"public": 5}

    root = json.loads(repository.files["metadata/1.root.json"])
    spoil(root)
    assert refusal(begin, TrustState(json.dumps(root).encode()), AT) in {"metadata_malformed", "keys_too_few"}


def test_content_that_has_no_canonical_form_is_refused(repository):
    repository.edit("timestamp", lambda document: document["signed"].update(more=1.5))
    assert refusal(repository.refresh) == "metadata_malformed"


def test_what_was_kept_is_forgotten_when_the_root_no_longer_trusts_it(repository):
    state = repository.refresh().state
    spoiled = TrustState(state.root, b"rubbish", b"rubbish", b"rubbish")
    assert offered(repository.refresh(spoiled)).revision == 7


# ---- targets ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "custom",
    [None, {}, {"kind": "delta", "revision": "7", "digest": "x", "keyEpoch": 1}, {"kind": "bundle", "revision": "v7", "digest": "x", "keyEpoch": 1},
     {"kind": "bundle", "revision": 7, "digest": "x", "keyEpoch": 1}],
)  # fmt: skip
def test_a_bundle_needs_our_custom_data(repository, custom):
    repository.publish([Target("bundle.tar.gz", b"x", custom or {})])
    assert refusal(offered, repository.refresh()) == "target_missing"
    assert refusal(offered, repository.refresh(), "other") == "target_missing"
    assert refusal(target_file, repository.refresh(), "other") == "target_missing"


def test_any_target_can_be_found_by_name(repository):
    repository.publish([Target("a/b.txt", b"hello", {})])
    update = repository.refresh()
    found = target_file(update, "a/b.txt")
    assert found.path.startswith("a/")
    assert found.path.endswith(".b.txt")
    found.check(b"hello")
    update.root.consistent_snapshot = False
    assert target_file(update, "a/b.txt").path == "a/b.txt"
    update.targets.targets["a/b.txt"].hashes = {"md5": "0"}
    assert refusal(target_file, update, "a/b.txt") == "hash_weak"


@given(st.data())
def test_no_changed_byte_of_metadata_is_trusted_as_something_else(data):
    repository = Repository()
    repository.bundle(7)
    path = data.draw(st.sampled_from(sorted(path for path in repository.files if "metadata" in path)))
    content = bytearray(repository.files[path])
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    before = offered(repository.refresh())
    repository.files[path] = bytes(content)
    try:
        after = offered(repository.refresh())
    except UntrustedError:
        return
    assert after == before


def test_keys_that_are_not_at_hand_sign_nothing():
    repository = Repository(targets=2)
    repository.names["targets"] = ["targets", "targets-2"]
    repository.held = ["root", "targets", "snapshot", "timestamp"]
    with pytest.raises(BadInputError, match="needs 2 signatures, 1"):
        repository.bundle(7)
    repository.held = None
    repository.bundle(7)
    repository.held = ["timestamp"]
    assert [write.path for write in repository.publish()] == ["metadata/timestamp.json"]
