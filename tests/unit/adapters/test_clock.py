import subprocess
import time
from datetime import UTC, timedelta

import pytest

from maestro.kernel.errors import PortError
from maestro_adapters import clock as clocks
from maestro_adapters.clock import SystemClock


def test_now_is_aware_and_near():
    now = SystemClock().now()
    assert now.tzinfo is UTC
    assert abs(now.timestamp() - time.time()) < 60


def test_the_boot_clock_never_goes_back():
    clock = SystemClock()
    readings = [clock.nanoseconds() for _ in range(1000)]
    assert readings == sorted(readings)
    assert readings[-1] > readings[0]


def test_every_process_reads_the_same_boot():
    clock = SystemClock()
    assert clock.boot_id() == SystemClock().boot_id()
    assert clock.boot_id().strip()


def test_macos_tells_its_boot_session(monkeypatch):
    asked = []

    def run(command, **options):
        asked.append(command)
        return subprocess.CompletedProcess(command, 0, stdout="B00T\n")

    monkeypatch.setattr(clocks.sys, "platform", "darwin")
    monkeypatch.setattr(clocks.subprocess, "run", run)
    assert SystemClock().boot_id() == "B00T"
    assert asked == [("/usr/sbin/sysctl", "-n", "kern.bootsessionuuid")]


def test_a_system_without_boot_ids_refuses(monkeypatch):
    monkeypatch.setattr(clocks.sys, "platform", "win32")
    with pytest.raises(PortError, match="not told by 'win32'") as caught:
        SystemClock().boot_id()
    assert caught.value.code == "no_boot_id"
    assert caught.value.retry_after is None


def test_an_unreadable_boot_id_refuses(monkeypatch, tmp_path):
    monkeypatch.setattr(clocks.sys, "platform", "linux")
    monkeypatch.setattr(clocks, "_LINUX_BOOT_ID", tmp_path / "none")
    with pytest.raises(PortError, match="cannot be read"):
        SystemClock().boot_id()


def test_a_virtual_clock_moves_as_told(virtual):
    wall, boot = virtual.now(), virtual.nanoseconds()
    virtual.advance(1.5, nanoseconds=1)
    assert virtual.nanoseconds() == boot + 1_500_000_001
    assert virtual.now() == wall + timedelta(seconds=1.5)
    virtual.step(timedelta(days=-1))
    assert virtual.now() == wall + timedelta(seconds=1.5, days=-1)
    assert virtual.nanoseconds() == boot + 1_500_000_001


def test_a_virtual_clock_keeps_nanoseconds(virtual):
    wall = virtual.now()
    for _ in range(1000):
        virtual.advance(nanoseconds=1)
    assert virtual.now() == wall + timedelta(microseconds=1)


def test_a_virtual_clock_does_not_go_back(virtual):
    with pytest.raises(ValueError, match="step"):
        virtual.advance(-1)


def test_a_virtual_machine_reboots(virtual):
    virtual.advance(1000)
    wall, boot, name = virtual.now(), virtual.nanoseconds(), virtual.boot_id()
    virtual.reboot(timedelta(seconds=5))
    assert virtual.boot_id() != name
    assert virtual.nanoseconds() < boot
    assert virtual.now() == wall + timedelta(seconds=5)
