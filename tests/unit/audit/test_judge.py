"""Whole logs, altered in every way that a plain copy of them can be: each is found, and where is told."""

from datetime import UTC, datetime

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maestro.audit import (
    AuditReason,
    Checkpoint,
    CompactRange,
    Cosigner,
    Draft,
    Judge,
    LogSigner,
    cosign,
    issue,
    leaf_hash,
    open_checkpoint,
)
from maestro.audit.entries import Growth
from maestro.audit.export import (
    FORMAT,
    decode_entry,
    decode_header,
    encode_entry,
    encode_header,
)
from maestro.kernel.errors import BadInputError

AT = datetime(2026, 3, 30, 10, tzinfo=UTC)
LOG = LogSigner("example.org/a", bytes(range(32)))
WITNESS = Cosigner("example.org/w", bytes(32))


@attrs.define
class Log:
    """A log as a list: bodies, the hashes kept beside them, and every checkpoint by size."""

    bodies: list[bytes] = attrs.field(factory=list)
    hashes: list[bytes] = attrs.field(factory=list)
    notes: dict[int, bytes] = attrs.field(factory=dict)

    def judge(self, key=LOG.key, *, earlier=(), kept=True, latest=..., **options):
        newest = self.notes[max(self.notes)] if latest is ... else latest
        judge = Judge(key, newest, earlier=[self.notes[size] for size in earlier], **options)
        for body, hashes in zip(self.bodies, self.hashes, strict=True):
            judge.feed(body, hashes if kept else None)
        return judge.verdict()

    def rehashed(self):
        """Who can alter entries can alter the hashes beside them."""
        tree = CompactRange()
        self.hashes = [b"".join(tree.append(leaf_hash(body))) for body in self.bodies]
        return self

    def leaves_rehashed(self):
        """Only the entries' own hashes."""
        self.hashes = [
            leaf_hash(body) + kept[32:] for body, kept in zip(self.bodies, self.hashes, strict=True)
        ]
        return self


def made(size, *, word=b"", signer=LOG, witness=None):
    log, growth = Log(), Growth(signer.name, CompactRange())
    for number in range(size):
        entry = growth.add(Draft(AT, "ada", "a.b", f"s{number}{word.decode()}"))
        log.bodies.append(entry.body)
        log.hashes.append(entry.hashes)
        note = issue(Checkpoint(signer.name, *growth.head()), signer)
        log.notes[number + 1] = cosign(note, signer.key, witness, AT) if witness else note
    return log


def reasons(verdict):
    return [each.reason for each in verdict.findings]


def altered(body):
    return body.replace(b"ada", b"eve")


def test_a_log_as_signed_is_ok():
    log = made(20)
    verdict = log.judge()
    assert (verdict.ok, verdict.size, verdict.first_bad, verdict.proved) == (True, 20, None, 20)
    assert verdict.root == open_checkpoint(log.notes[20], LOG.key).root
    assert verdict.not_checked == ("truncation",)
    assert log.judge(earlier=[3, 7, 12], kept=False).ok


@pytest.mark.parametrize("size", [1, 12, 20])
def test_a_checkpoint_kept_elsewhere_leaves_nothing_unchecked(size):
    log = made(20)
    verdict = log.judge(elsewhere=log.notes[size])
    assert (verdict.ok, verdict.not_checked) == (True, ())


@settings(max_examples=50)
@given(size=st.integers(1, 40), data=st.data())
def test_every_altered_entry_is_found_where_it_is(size, data):
    log, at = made(size), data.draw(st.integers(0, size - 1))
    log.bodies[at] = altered(log.bodies[at])
    verdict = log.judge()
    assert (verdict.ok, verdict.first_bad) == (False, at)
    assert AuditReason.ENTRY_ALTERED in reasons(verdict)
    # The hash beside it altered too: the subtrees above it tell how near, never a later place.
    verdict = log.leaves_rehashed().judge()
    assert not verdict.ok
    assert verdict.first_bad <= at
    if size.bit_count() == 1:
        assert at - verdict.first_bad <= 1
    # Every hash altered: older checkpoints tell between which two.
    earlier = sorted({data.draw(st.integers(1, size)) for _ in range(3)})
    verdict = log.rehashed().judge(earlier=earlier)
    assert reasons(verdict) == [AuditReason.NOT_AS_SIGNED]
    assert verdict.first_bad == max((each for each in earlier if each <= at), default=0)


@settings(max_examples=50)
@given(size=st.integers(2, 40), data=st.data(), kept=st.booleans(), rehash=st.booleans())
def test_every_swap_drop_and_insertion_is_found_where_it_is(size, data, kept, rehash):
    one, other = sorted(data.draw(st.lists(st.integers(0, size - 1), min_size=2, max_size=2, unique=True)))
    swapped, dropped, doubled = made(size), made(size), made(size)
    for rows in (swapped.bodies, swapped.hashes):
        rows[one], rows[other] = rows[other], rows[one]
    for rows in (dropped.bodies, dropped.hashes):
        del rows[one]
    for rows in (doubled.bodies, doubled.hashes):
        rows.insert(other, rows[one])
    for log, first in [(swapped, one), (dropped, one), (doubled, other)]:
        verdict = (log.rehashed() if rehash else log).judge(kept=kept)
        assert (verdict.ok, verdict.first_bad) == (False, first)
        assert AuditReason.ENTRY_OUT_OF_PLACE in reasons(verdict)


def test_an_altered_hash_above_the_entries_is_found():
    log = made(8)
    log.hashes[5] = log.hashes[5][:-1] + bytes([log.hashes[5][-1] ^ 1])
    verdict = log.judge()
    assert (reasons(verdict), verdict.first_bad) == ([AuditReason.ENTRY_ALTERED], 4)
    log = made(8)
    log.hashes[7] = log.hashes[7][:-32]
    verdict = log.judge()
    assert (reasons(verdict), verdict.first_bad) == ([AuditReason.ENTRY_ALTERED], 0)


def test_what_is_no_entry_is_out_of_place():
    log = made(4)
    log.bodies[2] = b"junk"
    verdict = log.rehashed().judge()
    assert (reasons(verdict), verdict.first_bad) == ([AuditReason.ENTRY_OUT_OF_PLACE], 2)
    assert "no entry" in verdict.findings[0].message


def test_only_the_first_bad_entry_is_told():
    log = made(16)
    log.bodies = [altered(body) if number > 4 else body for number, body in enumerate(log.bodies)]
    verdict = log.judge()
    assert (reasons(verdict), verdict.first_bad) == ([AuditReason.ENTRY_ALTERED], 5)


def test_an_old_fault_is_told_though_a_later_entry_shows_itself():
    log = made(12)
    log.bodies[2] = altered(log.bodies[2])
    log.rehashed()
    log.bodies[9] = altered(log.bodies[9])
    verdict = log.judge(earlier=[4])
    assert set(reasons(verdict)) == {AuditReason.NOT_AS_SIGNED, AuditReason.ENTRY_ALTERED}
    assert verdict.first_bad == 0


@given(size=st.integers(2, 40), data=st.data())
@settings(max_examples=50)
def test_what_is_called_certain_is(size, data):
    log = made(size)
    bad = data.draw(st.lists(st.integers(0, size - 1), min_size=1, max_size=3))
    earlier = sorted({data.draw(st.integers(1, size)) for _ in range(3)})
    covered = data.draw(st.integers(0, 2))
    for number, at in enumerate(bad):
        log.bodies[at] = altered(log.bodies[at])
        if number < covered:
            log.rehashed()
    verdict = log.judge(
        earlier=earlier, key=data.draw(st.sampled_from([LOG.key, LogSigner(LOG.name, bytes(32)).key]))
    )
    assert not verdict.ok
    assert verdict.proved <= min(bad)


def test_a_log_that_ends_too_early_or_too_late_for_its_own_checkpoint():
    log = made(10)
    short = attrs.evolve(log, bodies=log.bodies[:7], hashes=log.hashes[:7])
    verdict = short.judge()
    assert (reasons(verdict), verdict.first_bad) == ([AuditReason.ENTRIES_MISSING], 7)
    verdict = log.judge(latest=log.notes[7])
    assert (reasons(verdict), verdict.first_bad) == ([AuditReason.ENTRIES_UNSIGNED], 7)


def test_a_whole_end_that_is_gone_shows_only_against_a_checkpoint_kept_elsewhere():
    log = made(10)
    old = Log(log.bodies[:7], log.hashes[:7], {7: log.notes[7]})
    assert old.judge().ok
    verdict = old.judge(elsewhere=log.notes[10])
    assert (reasons(verdict), verdict.first_bad, verdict.not_checked) == ([AuditReason.TRUNCATED], 7, ())


@pytest.mark.parametrize("size", [3, 10])
def test_a_second_history_under_the_same_key_is_a_fork(size):
    verdict = made(10).judge(elsewhere=made(10, word=b"other").notes[size])
    assert (reasons(verdict), verdict.first_bad) == ([AuditReason.FORKED], None)


def test_an_altered_log_is_no_fork():
    log = made(10)
    log.bodies[4] = altered(log.bodies[4])
    for elsewhere in (6, 10):
        assert AuditReason.FORKED not in reasons(log.judge(elsewhere=log.notes[elsewhere]))
    log.rehashed()
    for elsewhere in (6, 10):
        verdict = log.judge(elsewhere=log.notes[elsewhere])
        assert (reasons(verdict), verdict.first_bad) == ([AuditReason.NOT_AS_SIGNED], 0)


def test_where_the_own_checkpoint_is_gone_the_one_kept_elsewhere_still_judges():
    log = made(10)
    verdict = log.judge(latest=None, elsewhere=log.notes[6])
    assert reasons(verdict) == [AuditReason.NO_CHECKPOINT]
    log.bodies[4] = altered(log.bodies[4])
    verdict = log.rehashed().judge(latest=None, elsewhere=log.notes[6])
    assert reasons(verdict) == [AuditReason.NO_CHECKPOINT, AuditReason.NOT_AS_SIGNED]
    assert reasons(log.judge(latest=None)) == [AuditReason.NO_CHECKPOINT]


def test_an_own_history_that_was_signed_counts_as_one():
    # Its own older checkpoint holds at 8, the one kept elsewhere does not at 6: two histories, not an altered entry.
    log = made(10)
    log.bodies[9] = altered(log.bodies[9])
    verdict = log.rehashed().judge(earlier=[8], elsewhere=made(10, word=b"other").notes[6])
    assert reasons(verdict) == [AuditReason.NOT_AS_SIGNED, AuditReason.FORKED]
    assert verdict.first_bad == 8


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"key": LogSigner(LOG.name, bytes(32)).key}, ["wrong_key"]),
        ({"key": LogSigner("example.org/b", bytes(32)).key}, ["wrong_log"]),
        ({"cosigners": [WITNESS.key]}, ["not_cosigned"]),
        ({"latest": b"junk"}, ["bad_note"]),
        ({"elsewhere": b"junk"}, ["bad_note"]),
        ({"elsewhere": made(2, signer=LogSigner("example.org/b", bytes(32))).notes[2]}, ["wrong_log"]),
    ],
)
def test_checkpoints_that_are_not_the_log_s_are_told_with_a_remedy(options, expected):
    verdict = made(4).judge(**options)
    assert reasons(verdict) == expected
    assert all(each.remedy and each.message[0].isupper() for each in verdict.findings)
    assert verdict.not_checked == ("truncation",)


def test_a_cosigned_log_is_ok():
    log = made(4, witness=WITNESS)
    assert log.judge(cosigners=[WITNESS.key], elsewhere=log.notes[2]).ok


def test_a_false_older_checkpoint_is_told():
    log = made(4)
    log.notes[2] = log.notes[2].replace(b"\n2\n", b"\n3\n")
    assert reasons(log.judge(earlier=[2])) == ["bad_signature"]


def test_two_signed_roots_of_one_size_are_never_ok():
    log = made(4)
    log.notes[3] = made(4, word=b"other").notes[3]
    verdict = log.judge(earlier=[3])
    assert (reasons(verdict), verdict.first_bad) == ([AuditReason.NOT_AS_SIGNED], 0)


def test_a_place_without_an_entry():
    judge, log = Judge(LOG.key, made(2).notes[2]), made(2)
    judge.missing(0)
    judge.missing(1)
    judge.feed(log.bodies[1], log.hashes[1])
    assert (reasons(judge.verdict())[0], judge.verdict().first_bad) == (AuditReason.ENTRY_OUT_OF_PLACE, 0)


def test_every_reason_says_what_it_means_and_what_to_do():
    for reason in AuditReason:
        assert reason.meaning.endswith(".")
        assert reason.remedy.endswith(".")


def test_an_export_carries_the_very_bytes():
    log = made(3)
    lines = [encode_header(log.notes[3], [log.notes[1]])]
    lines += [encode_entry(body, kept[:32]) for body, kept in zip(log.bodies, log.hashes, strict=True)]
    header = decode_header(lines[0])
    assert (header.format, header.checkpoint.encode(), header.earlier) == (
        FORMAT, log.notes[3], (log.notes[1].decode(),),
    )  # fmt: skip
    assert [decode_entry(line) for line in lines[1:]] == [
        (body, kept[:32]) for body, kept in zip(log.bodies, log.hashes, strict=True)
    ]
    assert decode_header(encode_header(None, [])).checkpoint is None


@pytest.mark.parametrize("cut", [1, 2, 30, 63, 100])
def test_a_cut_record_is_no_record(cut):
    line = encode_entry(made(1).bodies[0], b"\0" * 32)
    assert decode_entry(line[:-cut]) is None
    assert decode_entry(b"x" + line) is None
    assert decode_entry(line.replace(b"AAAA", b"*AAA", 1)) is None


@pytest.mark.parametrize("line", [b"", b"{}", b"\xff", b'{"format":"other","checkpoint":null}', b"[1]"])
def test_what_begins_no_export_is_refused(line):
    with pytest.raises(BadInputError, match="neither"):
        decode_header(line)
