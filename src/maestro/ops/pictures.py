"""A drill's pictures as SVG, readable on light and on dark ground."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from maestro.ops.drills import Series, Span, Timeline

__all__ = ["series_picture", "timeline_picture"]

KINDS = ("admitted", "denied", "unavailable", "violation")
"""In the order in which they are stacked, from below."""

_WIDTH, _HEIGHT = 880, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 16, 56, 40
_BARS = 88
_STYLE = """  <style>
    .ground { fill: #ffffff }
    .axis { stroke: #8c959f; fill: none }
    .fault { fill: #cf222e; fill-opacity: .12 }
    .admitted { fill: #1a7f37 }
    .denied { fill: #bf8700 }
    .unavailable { fill: #57606a }
    .violation { fill: #cf222e }
    .count { stroke: #0969da; stroke-width: 1.5; fill: none }
    .ceiling { stroke: #cf222e; stroke-dasharray: 6 4; fill: none }
    .text { fill: #1f2328 }
    .soft { fill: #57606a; font-size: 12px }
    .title { font-weight: 600; font-size: 16px }
    @media (prefers-color-scheme: dark) {
      .ground { fill: #0d1117 }
      .axis { stroke: #6e7681 }
      .fault { fill: #ff7b72; fill-opacity: .2 }
      .admitted { fill: #3fb950 }
      .denied { fill: #d29922 }
      .unavailable { fill: #8b949e }
      .violation { fill: #ff7b72 }
      .count { stroke: #58a6ff }
      .ceiling { stroke: #ff7b72 }
      .text { fill: #e6edf3 }
      .soft { fill: #9ea7b1 }
    }
  </style>"""


def timeline_picture(title: str, timeline: Timeline) -> str:
    """Answers over time, stacked by kind, with the fault's spans shaded."""
    step = max(timeline.seconds, 0.001) / _BARS
    bars: list[dict[str, int]] = [{} for _ in range(_BARS)]
    for mark in timeline.marks:
        bar = bars[min(_BARS - 1, max(0, int(mark.at / step)))]
        bar[mark.kind] = bar.get(mark.kind, 0) + 1
    most = max((sum(bar.values()) for bar in bars), default=0) or 1
    body = [*_shades(timeline), *_stacks(bars, most), *_legend(timeline)]
    return _picture(title, _told(timeline), timeline.seconds, most, body, f"answers a {step:.2g} s")


def series_picture(title: str, timeline: Timeline, series: Series) -> str:
    """A count over time below its ceiling, with the fault's spans shaded."""
    most = max([series.ceiling, *(count for _, count in series.points)]) or 1
    level = _y(series.ceiling, most)
    body = [
        *_shades(timeline),
        f'<path class="count" d="{_stairs(series, timeline.seconds, most)}"/>',
        f'<path class="ceiling" d="M{_LEFT} {level}H{_WIDTH - _RIGHT}"/>',
        f'<text class="soft" x="{_LEFT + 4}" y="{level - 5}">cap {series.ceiling}</text>',
    ]
    told = f"{series.label}: at most {max((count for _, count in series.points), default=0)}, cap {series.ceiling}."
    return _picture(title, told, timeline.seconds, most, body, series.label)


def _picture(title: str, told: str, seconds: float, most: int, body: Sequence[str], unit: str) -> str:
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}"',
        f'  height="{_HEIGHT}" role="img" aria-labelledby="title description" font-size="13"',
        "  font-family=\"-apple-system, 'Segoe UI', Helvetica, Arial, sans-serif\">",
        f'  <title id="title">{_escaped(title)}</title>',
        f'  <desc id="description">{_escaped(told)}</desc>',
        _STYLE,
        f'  <rect class="ground" width="{_WIDTH}" height="{_HEIGHT}"/>',
        f'  <text class="text title" x="{_LEFT}" y="22">{_escaped(title)}</text>',
        *(f"  {line}" for line in body),
        *(f"  {line}" for line in _axes(seconds, most, unit)),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _axes(seconds: float, most: int, unit: str) -> Iterator[str]:
    floor = _HEIGHT - _BOTTOM
    yield f'<path class="axis" d="M{_LEFT} {_TOP}V{floor}H{_WIDTH - _RIGHT}"/>'
    yield f'<text class="soft" x="{_LEFT - 6}" y="{_TOP + 4}" text-anchor="end">{most}</text>'
    yield f'<text class="soft" x="{_LEFT - 6}" y="{floor}" text-anchor="end">0</text>'
    yield f'<text class="soft" x="{_WIDTH - _RIGHT}" y="{_TOP - 8}" text-anchor="end">{_escaped(unit)}</text>'
    for quarter in range(5):
        at = seconds * quarter / 4
        anchor = "middle" if quarter < 4 else "end"
        yield f'<text class="soft" x="{_x(at, seconds)}" y="{floor + 18}" text-anchor="{anchor}">{at:.1f} s</text>'


def _shades(timeline: Timeline) -> Iterator[str]:
    for span in timeline.spans:
        left, right = _x(span.begins, timeline.seconds), _x(span.ends, timeline.seconds)
        width = max(2.0, right - left)
        yield (
            f'<rect class="fault" x="{left}" y="{_TOP}" width="{width:.1f}" height="{_HEIGHT - _BOTTOM - _TOP}">'
            f"<title>{_escaped(_spoken(span))}</title></rect>"
        )


def _stacks(bars: Sequence[dict[str, int]], most: int) -> Iterator[str]:
    width = (_WIDTH - _LEFT - _RIGHT) / _BARS
    for number, bar in enumerate(bars):
        below = 0
        for kind in KINDS:
            count = bar.get(kind, 0)
            if count:
                top, foot = _y(below + count, most), _y(below, most)
                yield (
                    f'<rect class="{kind}" x="{_LEFT + number * width:.1f}" y="{top}" '
                    f'width="{width - 1:.1f}" height="{max(0.5, foot - top):.1f}"/>'
                )
                below += count


def _legend(timeline: Timeline) -> Iterator[str]:
    x = _LEFT
    for kind in KINDS:
        count = sum(mark.kind == kind for mark in timeline.marks)
        words = f"{kind} {count}"
        yield f'<rect class="{kind}" x="{x}" y="32" width="10" height="10"/>'
        yield f'<text class="text" x="{x + 15}" y="41">{words}</text>'
        x += 30 + 8 * len(words)
    for label in dict.fromkeys(span.label for span in timeline.spans):
        yield f'<rect class="fault" x="{x}" y="32" width="10" height="10"/>'
        yield f'<text class="text" x="{x + 15}" y="41">{_escaped(label)}</text>'
        x += 30 + 8 * len(label)


def _stairs(series: Series, seconds: float, most: int) -> str:
    path = [f"M{_LEFT} {_y(0, most)}"]
    for at, count in series.points:
        path.append(f"H{_x(at, seconds)}V{_y(count, most)}")
    return "".join([*path, f"H{_WIDTH - _RIGHT}"])


def _x(at: float, seconds: float) -> float:
    share = min(1.0, max(0.0, at / seconds)) if seconds else 0.0
    return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 1)


def _y(count: int, most: int) -> float:
    return round(_HEIGHT - _BOTTOM - count / most * (_HEIGHT - _BOTTOM - _TOP), 1)


def _told(timeline: Timeline) -> str:
    counts = ", ".join(f"{kind} {sum(mark.kind == kind for mark in timeline.marks)}" for kind in KINDS)
    return " ".join([f"{counts}.", *(f"{_spoken(span)}." for span in timeline.spans)])


def _spoken(span: Span) -> str:
    return f"{span.label} from {span.begins:.1f} s to {span.ends:.1f} s"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
