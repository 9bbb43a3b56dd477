"""Waiting for a slot over HTTP: woken by a release, told the place, ended by the client, the time or the stop."""

import json
import threading
import time

import pytest

from maestro_sidecar.context import Gate

RUNS = "/api/limits/runs"


def limits(ask, **document):
    assert ask("PUT", "/api/limits/package-caps", {"tenant": "acme", **document}, token="op").status < 300


def take(ask, run, **more):
    return ask("POST", RUNS, {"run": run, "package": "ns/a", **more}, token="acme")


def release(ask, run, taken):
    match = {"If-Match": taken.headers["etag"]}
    assert ask("DELETE", f"{RUNS}/{run}", token="acme", headers=match).status == 204


def until(true, seconds=20):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        threading.Event().wait(0.01)


class Asking(threading.Thread):
    """A request that is under way."""

    def __init__(self, ask, run, **more):
        super().__init__()
        self.request = lambda: take(ask, run, **more)
        self.answer = None
        self.start()

    def run(self):
        self.answer = self.request()


@pytest.fixture
def full(ask):
    """A tenant with one slot, which is held."""
    limits(ask, maxConcurrent=1)
    return take(ask, "r-1")


def waiting(ask, count):
    until(lambda: ask.context.gate.waiting == count)
    until(lambda: len(ask.context.writing.leases.waiting_room().queue("acme")) == count)


def test_a_release_wakes_the_one_who_came_first(ask, full):
    first = Asking(ask, "r-2", waitSeconds=30)
    waiting(ask, 1)
    second = Asking(ask, "r-3", waitSeconds=30)
    waiting(ask, 2)
    began = time.monotonic()
    release(ask, "r-1", full)
    first.join(20)
    assert (first.answer.status, second.is_alive()) == (201, True)
    assert time.monotonic() - began < 10  # and not when its time was over
    release(ask, "r-2", first.answer)
    second.join(20)
    assert second.answer.status == 201
    assert ask.context.gate.waiting == 0


def test_a_wait_in_vain_tells_the_place(ask, full):
    first = Asking(ask, "r-2", waitSeconds=30)
    waiting(ask, 1)
    denied = take(ask, "r-3", waitSeconds=0.05)
    assert (denied.status, denied.code, denied.json["position"]) == (429, "tenant_cap", 2)
    assert int(denied.headers["retry-after"]) >= 1
    release(ask, "r-1", full)
    first.join(20)
    assert first.answer.json["decision"]["allowed"]


def test_without_a_wait_nobody_waits_and_no_place_is_told(ask, full):
    assert "position" not in take(ask, "r-2").json
    assert "position" not in take(ask, "r-2", waitSeconds=0).json


def test_a_client_that_goes_away_leaves_the_queue(ask, full):
    body = json.dumps({"run": "r-2", "package": "ns/a", "waitSeconds": 30}).encode()
    assert ask("POST", RUNS, chunks=[body], token="acme", then_gone=True) is None
    assert ask.context.writing.leases.waiting_room().queue("acme") == ()
    release(ask, "r-1", full)
    assert take(ask, "r-4").status == 201


def test_a_client_that_went_as_its_slot_came_holds_nothing(ask):
    body = json.dumps({"run": "r-1", "package": "ns/a", "waitSeconds": 30}).encode()
    limits(ask, maxConcurrent=1)
    if ask("POST", RUNS, chunks=[body], token="acme", then_gone=True) is None:
        assert ask.context.writing.leases.held() == {}
    assert take(ask, "r-1").status in {200, 201}


def test_a_stopping_sidecar_lets_nobody_wait(ask, full):
    first = Asking(ask, "r-2", waitSeconds=60)
    waiting(ask, 1)
    ask.context.gate.draining = True
    first.join(20)
    assert (first.answer.status, first.answer.json["position"]) == (429, 1)


def test_more_than_may_wait_are_answered_at_once(sidecar):
    ask = sidecar(server={"maxWaiting": 0})
    limits(ask, maxConcurrent=1)
    take(ask, "r-1")
    denied = take(ask, "r-2", waitSeconds=60)
    assert (denied.status, "position" in denied.json) == (429, False)


@pytest.mark.parametrize("seconds", [-1, 61, "5", 1e400])
def test_a_wait_that_makes_no_sense_is_refused(ask, seconds):
    answer = take(ask, "r-1", waitSeconds=seconds)
    assert (answer.status, answer.json["field"] if seconds != 1e400 else "") == (
        400,
        "waitSeconds" if seconds != 1e400 else "",
    )


def test_the_gate_counts_those_who_wait():
    assert Gate(3).waiting == 0
