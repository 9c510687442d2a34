"""Small line charts as SVG, for the widgets. Every function escapes what it is given."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import NamedTuple

from ..specs import Curve

__all__ = ("MAX_CHARTS", "Line", "charts", "lines_of")

#: Charts beside each other, lines of one, and points of a line: a small picture has no more.
MAX_CHARTS, _MAX_LINES, _MAX_POINTS = 4, 8, 200
_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 260, 120, 44, 16, 8
#: Of Okabe and Ito: told apart also by who does not see all colours.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#8c6d1f", "#7f7f7f")
_TEXT = 'font-size="10" fill="var(--jp-ui-font-color2, #616161)"'


class Line(NamedTuple):
    """One line: what it is called, and its points; a value of None interrupts it."""

    label: str
    points: Sequence[tuple[float, float | None]]


def lines_of(curves: Sequence[Curve], prefix: str = "") -> dict[str, list[Line]]:
    """The metrics among the curves, by name: what the code reported first, then event files.

    Args:
        curves: Of one job.
        prefix: Who they are of, where several jobs are beside each other.
    """
    found: dict[str, list[Line]] = {}
    for source in ("report", "tensorboard"):
        for curve in curves:
            if curve.source != source or not curve.values:
                continue
            label = " ".join(part for part in (prefix, curve.run, curve.replica) if part)
            at: Sequence[float] = curve.steps or [t - curve.times[0] for t in curve.times]
            points = list(zip(at, curve.values, strict=True))
            found.setdefault(curve.name, []).append(Line(label, points))
    return found


def charts(metrics: Mapping[str, Sequence[Line]], *, legend: bool = False) -> str:
    """A chart for each of the first metrics; an empty text when there is none.

    Args:
        metrics: Lines of each, by its name.
        legend: Whether to name the lines.
    """
    first = list(metrics.items())[:MAX_CHARTS]
    drawn = [_chart(name, lines[:_MAX_LINES], several=legend) for name, lines in first]
    if not drawn:
        return ""
    more = len(metrics) - MAX_CHARTS
    said = [f"{more} more metrics are not drawn." if more > 0 else ""]
    box = f'<div style="display:flex;flex-wrap:wrap;gap:8px">{"".join(drawn)}</div>'
    names = dict.fromkeys(line.label for lines in metrics.values() for line in lines[:_MAX_LINES])
    if legend:
        said += [
            f'<span style="color:{_COLOURS[n % len(_COLOURS)]}">&#9632;</span> {escape(name)}'
            for n, name in enumerate(names)
        ]
    text = " &nbsp; ".join(part for part in said if part)
    return box + (f'<div style="line-height:1.4">{text}</div>' if text else "")


def _chart(name: str, lines: Sequence[Line], *, several: bool) -> str:
    known = [(x, y) for line in lines for x, y in line.points if y is not None]
    low, high = _range([y for _, y in known])
    left, right = _range([x for x, _ in known])
    marks = "".join(_drawn(n, line, (left, right), (low, high)) for n, line in enumerate(lines))
    last = next((y for _, y in reversed(lines[0].points) if y is not None), None)
    newest = "no finite value" if last is None else f"{last:.4g}"
    end = "" if several else f" {newest} at the end,"  # Of several there is not one end.
    about = f"{name}:{end} between {low:.4g} and {high:.4g}"
    bottom = _HEIGHT - _BOTTOM
    return (
        '<figure style="margin:0">'
        f'<figcaption style="font-size:12px"><b>{escape(name)}</b> {"" if several else newest}'
        "</figcaption>"
        f'<svg role="img" aria-label="{escape(about)}" width="{_WIDTH}" height="{_HEIGHT}" '
        f'viewBox="0 0 {_WIDTH} {_HEIGHT}">'
        f'<path d="M{_LEFT} {_TOP}V{bottom}H{_WIDTH}" fill="none" '
        'stroke="var(--jp-border-color1, #bdbdbd)"/>'
        f'<text x="{_LEFT - 4}" y="{_TOP + 8}" text-anchor="end" {_TEXT}>{high:.3g}</text>'
        f'<text x="{_LEFT - 4}" y="{bottom}" text-anchor="end" {_TEXT}>{low:.3g}</text>'
        f'<text x="{_LEFT}" y="{_HEIGHT - 4}" {_TEXT}>{left:.6g}</text>'
        f'<text x="{_WIDTH}" y="{_HEIGHT - 4}" text-anchor="end" {_TEXT}>{right:.6g}</text>'
        f"{marks}</svg></figure>"
    )


def _drawn(number: int, line: Line, xs: tuple[float, float], ys: tuple[float, float]) -> str:
    colour = _COLOURS[number % len(_COLOURS)]
    wide, high = _WIDTH - _LEFT, _HEIGHT - _BOTTOM - _TOP
    drawn = []
    for piece in _pieces(_thin(line.points)):
        dots = " ".join(
            f"{_LEFT + _part(x, xs) * wide:.1f},{_TOP + (1 - _part(y, ys)) * high:.1f}"
            for x, y in piece
        )
        if len(piece) == 1:
            x, y = dots.split(",")
            drawn.append(f'<circle cx="{x}" cy="{y}" r="1.5" fill="{colour}"/>')
        else:
            drawn.append(
                f'<polyline points="{dots}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
            )
    return "".join(drawn)


def _thin(points: Sequence[tuple[float, float | None]]) -> list[tuple[float, float | None]]:
    """Evenly; first and last stay."""
    if len(points) <= _MAX_POINTS:
        return list(points)
    step = (len(points) - 1) / (_MAX_POINTS - 1)
    return [points[round(n * step)] for n in range(_MAX_POINTS)]


def _pieces(
    points: Sequence[tuple[float, float | None]],
) -> Iterator[list[tuple[float, float]]]:
    piece: list[tuple[float, float]] = []
    for x, y in points:
        if y is not None:
            piece.append((x, y))
        elif piece:
            yield piece
            piece = []
    if piece:
        yield piece


def _range(values: Sequence[float]) -> tuple[float, float]:
    return min(values, default=0.0), max(values, default=0.0)


def _part(value: float, between: tuple[float, float]) -> float:
    low, high = between
    # Halves: the difference of two finite numbers need not be one.
    span = high / 2 - low / 2
    part = (value / 2 - low / 2) / span if span > 0 else 0.5
    return part if math.isfinite(part) else 0.5
