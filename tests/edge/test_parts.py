"""Parts of an edge by themselves: pump, pace, repository source, central OPA, and the flag that leads back to it."""

import threading
from datetime import timedelta

import attrs
import pytest
from msgspec.structs import replace

from edge_support.bundles import AT, FILES
from edge_support.nodes import Book, Data, Disk, World
from maestro import PortError, UntrustedError
from maestro.edge.candidates import SourceRules, expected_of
from maestro.edge.pacing import Pace
from maestro.edge.record import HighWater
from maestro.edge.verify import TrustedKey
from maestro.formats.jws import parse_public_key
from maestro.ports.capabilities import Capability
from maestro.ports.policy import UNDEFINED, PolicyBundle
from maestro.runtime.edge import EdgeNode, EdgeParts
from maestro.runtime.edge_bundles import Loader
from maestro.runtime.edge_pump import EdgePump
from maestro.runtime.edge_repository import RepositorySource
from maestro.runtime.edge_sources import Known
from maestro.runtime.publishing import Order, Publisher
from maestro.testing.clock import VirtualClock
from maestro_adapters.clock import SystemClock
from maestro_adapters.edge_keys import KeyFolder
from maestro_adapters.fetch_folder import FolderFetcher
from maestro_adapters.folder_repository import FolderRepository
from maestro_adapters.opa_engine import OpaEngine, OpaPolicy

PATIENCE = 60


# ---- pace ------------------------------------------------------------------------------------------------


def test_polls_are_drawn_around_their_interval():
    pace = Pace(interval=30)
    assert [pace.pause(0, draw) for draw in (0, 0.5, 1)] == [27, 30, 33]


def test_after_failures_it_asks_soon_then_less_often_up_to_the_interval():
    pace = Pace(interval=30, rapid=1)
    assert [pace.pause(failures, 1.0) for failures in (1, 2, 3, 6, 60)] == [1, 2, 4, 30, 30]
    assert pace.pause(3, 0.0) == 0.1


def test_what_the_source_asks_for_is_granted():
    assert Pace(interval=30, rapid=1).pause(1, 0.5, asked=20) == 20


def test_a_source_that_holds_requests_is_asked_at_once():
    assert Pace(wait=10).pause(0, 1.0, long_poll=True) == 0
    assert Pace(wait=0).pause(0, 0.5, long_poll=True) == 30


# ---- pump ------------------------------------------------------------------------------------------------


def test_the_pump_polls_ticks_refreshes_and_stops():
    world = World()
    world.publish(1)
    polled, ticked = threading.Semaphore(0), threading.Semaphore(0)
    real, checked = world.node.poll, []

    def poll(wait=0.0):
        result = real(wait)
        polled.release()
        return result

    world.node.poll = poll
    world.node.check = lambda: checked.append(1)
    pump = EdgePump(world.node, Pace(interval=3600), lambda: 0.5, each_tick=[ticked.release], check_every=1)
    pump.start()
    assert polled.acquire(timeout=PATIENCE)
    assert world.decide() == 1
    world.publish(2)
    pump.refresh()
    assert polled.acquire(timeout=PATIENCE)
    assert world.decide() == 2
    assert ticked.acquire(timeout=PATIENCE)
    pump.stop()
    assert checked
    pump.stop()


# ---- repository ------------------------------------------------------------------------------------------


AHEAD = timedelta(minutes=1)
"""The edge's clock stands still while the publisher's goes on: what it signs meanwhile must not begin in the future."""


@pytest.fixture
def repository(tmp_path):
    keys = KeyFolder(tmp_path / "keys")
    keys.create("ES256", 1, 1)
    root = tmp_path / "repository"
    publisher = Publisher(FolderRepository(root), keys.load(), SystemClock())

    def put(cap):
        files = FILES | {
            ".manifest": b'{"revision":"","roots":["limits"]}',
            "limits/data.json": b'{"cap":%d}' % cap,
        }
        return publisher.publish(files, Order())

    put(1)
    source = RepositorySource(FolderFetcher(root), (root / "metadata" / "1.root.json").read_bytes())
    return root, put, source


def test_a_repository_is_followed_and_what_is_known_is_not_sent_again(repository):
    _, put, source = repository
    now = SystemClock().now()
    first = source.poll(Known(), now, wait=0)
    assert first.error is None
    assert first.archive is not None
    assert first.epoch == "1"
    assert now < first.until < now + timedelta(days=2)
    again = source.poll(Known(first.trust, (first.digest,)), now, wait=0)
    assert (again.archive, again.digest) == (None, first.digest)
    put(2)
    source.settle(accepted=True)
    second = source.poll(Known(first.trust, (first.digest,)), now, wait=0)
    assert second.archive is not None
    assert second.digest != first.digest


def test_a_delta_is_used_and_a_bad_one_is_replaced_by_the_whole(repository):
    from maestro.formats.opa_bundle import read_archive

    root, put, source = repository
    now = SystemClock().now()
    first = source.poll(Known(), now, wait=0)
    base = read_archive(first.archive)
    put(2)
    known = Known(first.trust, (first.digest,), lambda digest: base if digest == first.digest else None)
    by_delta = source.poll(known, now, wait=0)
    (whole,) = [file for file in (root / "targets").glob("*.tar.gz") if file.read_bytes() != (first.archive)][
        :1
    ] or [None]
    assert by_delta.archive is not None
    for delta in (root / "targets" / "deltas").iterdir():
        delta.write_bytes(b"x" * delta.stat().st_size)
    by_snapshot = source.poll(known, now, wait=0)
    assert read_archive(by_snapshot.archive) == read_archive(by_delta.archive)
    assert by_snapshot.archive == whole.read_bytes()


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda root: (root / "metadata" / "timestamp.json").write_bytes(b"{}"), "metadata_malformed"),
        (
            lambda root: [f.write_bytes(b"x" * f.stat().st_size) for f in (root / "targets").glob("*.gz")],
            "digest_mismatch",
        ),
    ],
)
def test_what_is_not_to_be_trusted_is_an_offer_with_its_error(repository, spoil, reason):
    root, _, source = repository
    spoil(root)
    offer = source.poll(Known(), SystemClock().now(), wait=0)
    assert isinstance(offer.error, UntrustedError)
    assert offer.error.code == reason
    assert offer.trust


def test_a_target_that_is_missing_is_a_failure_of_the_source(repository):
    root, _, source = repository
    for file in (root / "targets").glob("*.gz"):
        file.unlink()
    with pytest.raises(PortError) as caught:
        source.poll(Known(), SystemClock().now(), wait=0)
    assert caught.value.code == "source_unreachable"


def test_metadata_that_expired_is_refused(repository):
    *_, source = repository
    offer = source.poll(Known(), SystemClock().now() + timedelta(days=3), wait=0)
    assert offer.error.code == "metadata_expired"


# ---- a central OPA ---------------------------------------------------------------------------------------


class Client:
    """Stands for a central OPA."""

    def __init__(self, answer=None, error=None):
        self.answer, self.error, self.asked = answer, error, []

    def ask(self, path, given):
        self.asked.append((path, given))
        if self.error:
            raise self.error
        return self.answer

    def check(self):
        if self.error:
            raise self.error


def test_a_central_opa_decides_by_what_it_has():
    engine = OpaEngine(Client(answer=[1]))
    policy = engine.load(PolicyBundle("7", "sha256:1", ("",), {}, {}))
    assert engine.capabilities == {Capability.BLOCKING}
    assert (policy.revision, policy.digest) == ("7", "sha256:1")
    assert policy.evaluate(("a", "b"), {"x": 1}, AT) == [1]
    assert policy.dependencies(("a",)).random
    assert policy.holds_until(("a",), {}, AT) == AT


def test_undefined_is_an_answer_and_unreachable_is_none():
    undefined = OpaPolicy(Client(error=PortError("No.", code="opa_undefined")))
    assert undefined.evaluate(("a",), UNDEFINED, AT) is UNDEFINED
    gone = OpaPolicy(Client(error=PortError("Gone.", code="opa_unreachable")))
    with pytest.raises(PortError, match="Gone"):
        gone.evaluate(("a",), {}, AT)
    with pytest.raises(PortError, match="Gone"):
        OpaEngine(gone.client).load(PolicyBundle("7", "sha256:1", ("",), {}, {}))


# ---- an edge on a repository -----------------------------------------------------------------------------


@pytest.fixture
def node(repository, tmp_path):
    """An edge that follows the repository, with everything else under the test's hand."""
    _, _, source = repository
    key = TrustedKey("", parse_public_key((tmp_path / "keys" / "bundle-1.pub").read_bytes()))
    disk, engine, book, clock = Disk(), Data(), Book(), VirtualClock(SystemClock().now() + AHEAD)
    made = EdgeNode("n1", EdgeParts(disk, source, Loader(disk, engine, lambda: [key]), clock, book, book))
    made.start()
    made.poll()
    return made, disk, book, clock


def cap(node):
    return node.decide(("limits", "cap"), {})


def test_an_edge_follows_a_repository_by_deltas_and_renewals(repository, node):
    _, put, _ = repository
    edge, *_ = node
    assert cap(edge) == 1
    fresh = edge.record.serving.fresh_until
    assert edge.record.serving.expires_at > fresh  # the metadata end first, and the earlier end counts
    assert edge.record.trust
    put(2)
    edge.poll()
    assert cap(edge) == 2
    assert edge.record.high.epoch == "1"
    edge.poll()
    assert edge.counts.fetches == {"new": 2, "unchanged": 1}
    assert edge.record.serving.fresh_until >= fresh


def test_metadata_that_nobody_signed_quarantine_and_the_serving_bundle_goes_on(repository, node):
    root, _, _ = repository
    edge, *_ = node
    (root / "metadata" / "timestamp.json").write_bytes(b"{}")
    edge.poll()
    assert edge.record.state == "quarantined"
    assert edge.record.refused[0].digest == "metadata/metadata_malformed"
    assert cap(edge) == 1


def test_a_high_water_mark_of_another_epoch_judges_nothing():
    held = HighWater("9223372036854775808", "sha256:9", epoch="1")
    assert expected_of(SourceRules(), held, "1").min_revision == 2**63
    assert expected_of(SourceRules(), held, "2").min_revision == 1
    assert expected_of(SourceRules(ordering="none"), held, "1").min_revision is None


def test_content_that_changed_in_memory_is_drift(node):
    edge, *_ = node
    loaded = edge._loaded[edge.record.serving.digest]
    edge._loaded[edge.record.serving.digest] = attrs.evolve(loaded, files={**loaded.files, "x": b""})
    edge.check()
    assert edge.record.incident.reason == "digest_drift"
    assert edge.record.state == "closed"


def test_a_disk_that_fails_at_a_check_changes_nothing_and_is_told(node):
    edge, disk, *_ = node

    def failing(_digest):
        raise PortError("The disk fails.", code="store_failed")

    disk.get = failing
    edge.check()
    assert (edge.record.state, edge.trouble) == ("active", "store_failed")


def test_what_was_replaced_meanwhile_is_not_failed(node):
    edge, disk, *_ = node
    real = disk.get

    def replaced(digest):
        edge._record = replace(edge._record, serving=None)
        return real(digest) and b"other"

    disk.get = replaced
    edge.check()
    assert edge.record.incident is None


def test_archives_that_cannot_be_removed_are_told(repository, node):
    _, put, _ = repository
    edge, disk, *_ = node

    def failing(_digests):
        raise PortError("The disk fails.", code="store_failed")

    disk.keep_only = failing
    put(2)
    edge.poll()
    assert cap(edge) == 2


def test_an_unfinished_commit_of_a_bundle_is_none(repository, node):
    _, put, _ = repository
    edge, disk, *_ = node
    put(2)
    real = disk.save

    def failing(record):
        raise PortError("Full.", code="store_full")

    disk.save = failing
    edge.poll()
    assert (cap(edge), edge.trouble) == (1, "store_full")
    disk.save = real
    edge.poll()
    assert cap(edge) == 2
