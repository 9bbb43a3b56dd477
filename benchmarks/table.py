"""A table of figures, and how a distribution of times is told."""

import statistics
from time import perf_counter_ns

import attrs


@attrs.frozen
class Table:
    """One benchmark's answer."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    note: str = ""

    def markdown(self):
        lines = [f"## {self.title}", ""]
        lines.append("| " + " | ".join(self.columns) + " |")
        lines.append("|---" + "|--:" * (len(self.columns) - 1) + "|")
        lines += ["| " + " | ".join(row) + " |" for row in self.rows]
        if self.note:
            lines += ["", self.note]
        return "\n".join(lines) + "\n"


def microseconds(call, count):
    """p50 and p95 of single calls, in µs, after a warm-up of a tenth."""
    for _ in range(count // 10):
        call()
    times = []
    for _ in range(count):
        began = perf_counter_ns()
        call()
        times.append(perf_counter_ns() - began)
    cuts = statistics.quantiles(times, n=20, method="inclusive")
    return statistics.median(times) / 1000, cuts[18] / 1000


def per_second(pair, seconds):
    """How often ``pair`` (called with a running number) ends in a second."""
    number, began = 0, perf_counter_ns()
    until = began + int(seconds * 1e9)
    while (now := perf_counter_ns()) < until:
        for _ in range(50):
            number += 1
            pair(number)
    return number / ((now - began) / 1e9)


def interleaved(contenders, rounds, measure):
    """Each contender's median over rounds in which all take turns, so that a drifting machine hits all alike."""
    results = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, contender in contenders.items():
            results[name].append(measure(contender))
    return {name: statistics.median(values) for name, values in results.items()}
