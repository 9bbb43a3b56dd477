"""Window advice is exact to the second: admitted at T, denied at T - 1 s; and what is kept ready says what is true.

Properties over odd days and zones.
"""

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from limits_support.cases import policy_of
from maestro.kernel.instants import from_epoch_seconds
from maestro.limits.decide import admits, decide
from maestro.testing.strategies.calendar import instants_around_transitions

ZONES = [
    "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Africa/Cairo", "Africa/Casablanca",
    "Europe/Berlin", "Pacific/Apia", "Asia/Kathmandu", "UTC",
]  # fmt: skip
times = st.builds("{:02d}:{:02d}".format, st.integers(0, 23), st.sampled_from([0, 15, 30, 45]))
day_names = st.lists(
    st.sampled_from(["mon", "tue", "wed", "thu", "fri", "sat", "sun"]), min_size=1, max_size=7, unique=True
)
windows = st.lists(
    st.fixed_dictionaries(
        {"start": times, "end": times}, optional={"days": day_names, "timezone": st.sampled_from(ZONES)}
    ),
    max_size=3,
)


@st.composite
def questions(draw):
    zone = draw(st.sampled_from(ZONES))
    limits = {
        "timezone": zone,
        "allowedWindows": draw(windows),
        "startCutoffSeconds": draw(st.sampled_from([0, 60, 3600])),
        "onWindowEnd": draw(st.sampled_from(["finish", "must_fit"])),
    }
    return (
        policy_of(**limits),
        draw(instants_around_transitions(zone)),
        draw(st.sampled_from([None, 1, 900, 7200.5])),
    )


@given(questions())
@settings(max_examples=150, deadline=None)
def test_advice_is_exact(question):
    policy, seconds, expected = question
    now = from_epoch_seconds(seconds)
    decision = decide(policy, "ns/a", now, expected=expected)
    if decision.allowed:
        assert decision.retry_after is None
        assert decision.opens_at is None
    elif decision.retry_after is not None:
        opens = now + timedelta(seconds=decision.retry_after)
        assert decision.opens_at == opens
        assert decide(policy, "ns/a", opens, expected=expected).allowed
        assert not decide(policy, "ns/a", opens - timedelta(seconds=1), expected=expected).allowed
        assert all(deny.window == decision.denies[0].window != UNSET for deny in decision.denies)


@given(
    questions(),
    st.lists(
        st.tuples(st.integers(-90_000_000_000, 90_000_000_000), st.sampled_from([None, 1, 7200.5])),
        min_size=2,
        max_size=12,
    ),
)
@settings(max_examples=150, deadline=None)
def test_what_was_found_last_never_lets_a_run_start_that_the_calendar_denies(question, asked):
    """The clock may go and step either way between two questions; the policy remembers, and a fresh one does not."""
    policy, seconds, _ = question
    for microseconds, expected in asked:
        now = from_epoch_seconds(seconds) + timedelta(microseconds=microseconds)
        assert admits(policy, now, expected) == decide(policy, "ns/a", now, expected=expected).allowed
