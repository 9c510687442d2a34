"""HTML for the widgets. Every function escapes what it is given; nothing else makes HTML here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from urllib.parse import urlsplit

from ..specs import DeploymentState, JobState, ReplicaState

__all__ = (
    "State",
    "alert",
    "bar",
    "frame",
    "heading",
    "link",
    "log",
    "note",
    "pre",
    "state",
    "state_cell",
    "table",
)

_BLUE, _GREEN = "var(--jp-brand-color1, #1976d2)", "var(--jp-success-color1, #2e7d32)"
_RED, _AMBER = "var(--jp-error-color1, #c62828)", "var(--jp-warn-color1, #b26a00)"
#: By the word: states of jobs, deployments and replicas that are called the same look the same.
_COLOURS = {
    JobState.RUNNING.value: _BLUE,
    JobState.SUCCEEDED.value: _GREEN,
    JobState.FAILED.value: _RED,
    JobState.LOST.value: _RED,
    JobState.RESTARTING.value: _AMBER,
    JobState.PAUSED.value: _AMBER,
    DeploymentState.READY.value: _GREEN,
    DeploymentState.DEGRADED.value: _AMBER,
    DeploymentState.STARTING.value: _BLUE,
}
State = JobState | DeploymentState | ReplicaState
_GREY = "var(--jp-ui-font-color2, #616161)"
_CELL = "padding:1px 12px 1px 0;text-align:left;vertical-align:top"
# Colours, cursor movement and window titles that programs send to terminals.
_CONTROL = re.compile(
    r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|.)?|[\x00-\x08\x0b-\x1f\x7f]"
)
#: Lines of a traceback that are shown.
_TRACEBACK = 30
_PREFIX = re.compile(r"\[[a-z0-9.-]+\] |")


def state(value: State, reason: str = "") -> str:
    """The state in its colour, and why."""
    colour = _COLOURS.get(value.value, _GREY)
    why = f" {escape(reason)}" if reason else ""
    return f'<b style="color:{colour}">{escape(value.value)}</b>{why}'


def state_cell(value: State, more: str = "") -> str:
    """The state in its colour, and what belongs to it, for a table."""
    return _Html(state(value, more))


def heading(text: str) -> str:
    """One line in bold."""
    return f"<b>{escape(text)}</b>"


def alert(sentences: Sequence[str], traceback: str = "") -> str:
    """What is wrong, the first sentence in bold, and a traceback; nothing without a sentence."""
    if not sentences:
        return ""
    first, *others = (escape(" ".join(sentence.split())) for sentence in sentences)
    text = " ".join([f"<b>{first}</b>", *others])
    return (
        f'<div role="alert" style="border-left:3px solid {_RED};padding:2px 8px;margin:4px 0">'
        f"{text}{log(traceback, _TRACEBACK) if traceback else ''}</div>"
    )


def pre(text: str, *, marked: bool = False) -> str:
    """A line of code, as a cell of a table; one that differs can be marked."""
    mark = f";border-left:3px solid {_AMBER};padding-left:4px" if marked else ""
    return _Html(
        '<span style="white-space:pre-wrap;font-family:var(--jp-code-font-family, monospace)'
        f'{mark}">'
        f"{escape(_CONTROL.sub('', text))}</span>"
    )


def note(text: str) -> str:
    """One line in grey."""
    return f'<span style="color:{_GREY}">{escape(" ".join(text.split()))}</span>' if text else ""


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table. Cells that come from `bar` or `state` go through; all other text is escaped."""
    first = "".join(f'<th scope="col" style="{_CELL}">{escape(name)}</th>' for name in head)
    body = "".join(
        "<tr>"
        + "".join(
            f'<td style="{_CELL}">{cell if isinstance(cell, _Html) else escape(cell)}</td>'
            for cell in row
        )
        + "</tr>"
        for row in rows
    )
    return (
        f'<table style="line-height:1.5"><thead><tr>{first}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )


class _Html(str):
    """Text that is HTML already, made in this file."""

    __slots__ = ()


def bar(share: float | None, label: str) -> str:
    """A level from 0 to 1 with its label; a dash when it is not known."""
    if share is None:
        return _Html("–")
    percent = min(100.0, max(0.0, share * 100))
    return _Html(
        '<span style="display:inline-block;width:80px;height:8px;margin-right:6px;'
        'background:var(--jp-layout-color3, #ddd)">'
        f'<span style="display:block;height:8px;width:{percent:.0f}%;'
        'background:var(--jp-brand-color1, #1976d2)"></span></span>' + escape(label)
    )


def log(text: str, lines: int) -> str:
    """The last lines of a log as a terminal would show them, without its colours."""
    last = text.removesuffix("\n").split("\n")[-lines:]
    body = escape("\n".join(_CONTROL.sub("", _newest(line)) for line in last)) or "no output yet"
    return (
        '<pre style="margin:4px 0;max-width:100%;overflow-x:auto;line-height:1.35;'
        f'font-size:var(--jp-code-font-size, 12px)">{body}</pre>'
    )


def _newest(line: str) -> str:
    """A progress bar rewrites its line with carriage returns: only its newest state counts."""
    begin, _, newest = line.rstrip("\r").rpartition("\r")
    prefix = _PREFIX.match(begin)  # Of the merged view: it says who wrote the line.
    return newest if prefix is None or newest.startswith(prefix[0]) else prefix[0] + newest


def link(url: str | None, text: str) -> str:
    """A link that opens a new tab; nothing when there is no address a browser should follow."""
    if not url or not _followed(url):
        return ""
    return f'<a href="{escape(url)}" target="_blank" rel="noopener">{escape(text)}</a>'


def frame(url: str, title: str, height: int) -> str:
    """A page within the page; nothing when there is no address a browser should follow."""
    if not _followed(url):
        return ""
    return (
        f'<iframe src="{escape(url)}" title="{escape(title)}" width="100%" height="{height:d}" '
        'style="border:1px solid var(--jp-border-color2, #ccc)"></iframe>'
    )


def _followed(url: str) -> bool:
    return urlsplit(url).scheme in {"", "http", "https"}
