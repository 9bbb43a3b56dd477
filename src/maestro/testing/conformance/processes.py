"""Real processes for the suites: forked, so that any factory works, and never left behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["killed_after", "run_all"]

_PATIENCE = 60.0
"""Seconds after which a process that has not come to an end counts as hanging."""

Say = Callable[[str], None]


def run_all(work: Callable[[int, Say], None], processes: int) -> list[list[str]]:
    """Run ``work(number, say)`` in that many processes at once; the lines that each has said."""
    with _started(work, processes) as running:
        said = [list(lines) for _, lines in running]
        for process, lines in running:
            process.join(_PATIENCE)
            assert process.exitcode == 0, f"a process ended with {process.exitcode}: {lines.tail}"
    return said


def killed_after(work: Callable[[int, Say], None], lines: int) -> list[str]:
    """Run ``work`` in a process and send it SIGKILL once it has said that many lines; all lines it said."""
    with _started(work, 1) as [(process, said)]:
        heard = []
        for line in said:
            heard.append(line)
            if len(heard) == lines:
                assert process.pid is not None
                os.kill(process.pid, signal.SIGKILL)
        process.join(_PATIENCE)
        assert process.exitcode == -signal.SIGKILL, f"the process ended with {process.exitcode}: {said.tail}"
    return heard


class _Lines:
    """The lines that a process says, until it ends; a broken last one is dropped."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.tail = ""

    def __iter__(self) -> Iterator[str]:
        with os.fdopen(self._descriptor, encoding="utf-8", errors="replace") as pipe:
            for line in pipe:
                if line.endswith("\n"):
                    self.tail = line.strip()
                    yield self.tail


@contextmanager
def _started(work: Callable[[int, Say], None], processes: int) -> Iterator[list[tuple[Any, _Lines]]]:
    context = multiprocessing.get_context("fork")
    running: list[tuple[Any, _Lines]] = []
    try:
        for number in range(processes):
            reader, writer = os.pipe()
            process = context.Process(target=_child, args=(work, number, writer), daemon=True)
            with (
                warnings.catch_warnings()
            ):  # 3.12 warns of fork beside threads; the child touches no lock of theirs
                warnings.simplefilter("ignore", DeprecationWarning)
                process.start()
            os.close(writer)
            running.append((process, _Lines(reader)))
        yield running
    finally:
        for process, _ in running:
            if process.is_alive():
                process.kill()
            process.join()


def _child(work: Callable[[int, Say], None], number: int, writer: int) -> None:
    """Run the work, then leave without the parent's exit handlers."""

    def say(line: str) -> None:
        os.write(writer, f"{line}\n".encode())

    try:
        work(number, say)
    except BaseException as error:  # noqa: BLE001  # told to the parent
        say(f"{type(error).__name__}: {error}".replace("\n", " "))
        os._exit(1)
    os._exit(0)
