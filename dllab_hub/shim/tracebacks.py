"""Tracebacks in what a process has written: the one that says why it ended, and in one line."""

from __future__ import annotations

import re

__all__ = ("exception_of", "is_collateral", "last_traceback", "refusal", "was_told")

_HEADER = "Traceback (most recent call last):"
#: What Python writes between two tracebacks of which the first led to the second.
_LINKS = (
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
)
#: Most lines of a message that goes on below the exception's own line, as those of C++ do.
_MESSAGE_LINES = 20
_LONGEST_TRACEBACK = 8192
#: Colours, and all else that is for terminals only.
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f]")
_RANK = re.compile(r"(?m)^\[rank(\d+)\]: ?")
#: Exceptions whose message begins behind an empty line.
_GOES_ON = re.compile(
    r"(Graph execution error:|in user code:|Exception encountered when calling .*)\s*$"
)
_ERROR = re.compile(r"[\w.]+(Error|Exception): ")
#: Of a launcher: one of the processes that it had started has failed.
_LAUNCHERS = re.compile(r"^\S*(ChildFailedError|CalledProcessError|SignalException)\b")
#: Of several that led to each other these say more than the last.
_TELLING = re.compile(
    r"No space left on device|Disk quota exceeded|out of memory|OutOfMemoryError|^MemoryError"
    r"|Cannot allocate memory|^ModuleNotFoundError|^ImportError|is killed by signal: "
    r"|iostream error|PytorchStreamWriter failed",
    re.IGNORECASE,
)
#: How those fail that another one has left alone.
_COLLATERAL = re.compile(
    r"Connection (closed|reset) by (remote )?peer|Connection refused|Broken pipe|Socket closed"
    r"|remote process exited|ncclRemoteError|ncclSystemError|failed to (connect|recv|send)"
    r"|Timed out waiting \d+ms for (recv|send)|Socket Timeout|DistNetworkError"
    r"|TCPStore|store->get|Application timeout caused pair closure|heartbeat timeout"
    r"|coordination service|UnavailableError",
    re.IGNORECASE,
)
#: They come from elsewhere, whatever a peer is called in them.
_ELSEWHERE = re.compile(r"^(requests|urllib3?|http|aiohttp|botocore|huggingface_hub)\.")
#: How those end that were asked to.
_TOLD = re.compile(r"^(?:\S*\.)?(KeyboardInterrupt|SystemExit|SignalException|SIGTERMException)\b")
#: Python reads a file before it runs it; that there is no word of a traceback is usual.
_SYNTAX = re.compile(
    r'(?m)^  File "[^\n]*", line \d+\n(?:    [^\n]*\n){0,2}'
    r"(?:SyntaxError|IndentationError|TabError): [^\n]*$"
)

#: What our model server writes before it ends, as it has no traceback for people.
_REFUSAL = re.compile(r"(?m)^\S+ \S+ ERROR the (model cannot be served: .+?)\.?$")


def refusal(text: str) -> str:
    """``the model cannot be served: it is damaged``, by the last such line of a log; or empty.

    In one line and without a full stop, like `exception_of`.
    """
    found = _REFUSAL.findall(_CONTROL.sub("", text))
    return f"the {found[-1][:500]}" if found else ""


def last_traceback(text: str) -> str:
    """The Python traceback of a log that says why the process ended, or an empty string.

    That is the last one, with those that led to it. Where it only says that a launcher such as
    torchrun has lost a process, it is that process's own. torch.distributed starts each of its
    lines with ``[rank0]: ``; that is taken off.
    """
    text = _CONTROL.sub("", text.replace("\r\n", "\n"))
    ranks = list(dict.fromkeys(_RANK.findall(text)))
    found = _last(_RANK.sub("", text))
    if not _LAUNCHERS.match(_lines_of_message(found)[0]):
        return _cut(found)
    # Lines of several ranks are mixed: each is looked at by itself, who failed first at first.
    own = [_last(_of_rank(text, rank)) for rank in ranks]
    before = _RANK.sub("", text).rpartition(found)[0]
    candidates = [one for one in (*own, _last(before)) if one]
    blames = [one for one in candidates if not is_collateral(one)]
    return _cut(next(iter(blames or candidates), found))


def exception_of(traceback: str) -> str:
    """``ValueError: boom`` of a traceback: what happened, in one line, without a full stop.

    Of several that led to each other it is the last, unless one before says more: that the disk is
    full, memory ran out, or a module is missing, for example.
    """
    found = [_one_line(part) for part in _chain(traceback)]
    telling = next((line for line in found if _TELLING.search(line)), "")
    return (telling or (found[-1] if found else ""))[:500].rstrip(" .")


def is_collateral(traceback: str) -> bool:
    """Whether it says no more than that another process is gone."""
    message = "\n".join(_lines_of_message(traceback))
    if _ELSEWHERE.match(message):
        return False
    return bool(_COLLATERAL.search(message)) and not _TELLING.search(message)


def was_told(traceback: str) -> bool:
    """Whether it says no more than that the process was asked to end; so it is without one."""
    first = _lines_of_message(traceback)[0]
    return not first or _TOLD.match(first) is not None


def _last(text: str) -> str:
    """The last traceback in a text with those it is linked to, or a syntax error."""
    start = text.rfind(_HEADER)
    if start < 0:
        errors = list(_SYNTAX.finditer(text))
        return errors[-1][0] if errors else ""
    end = start + len(_one(text[start:]))
    while (link := _link_before(text, start)) is not None:
        before = text.rfind(_HEADER, 0, link)
        # Another program's words may be between: then it is not the one that led to this.
        if before < 0 or text[before + len(_one(text[before:])) : link].strip():
            break
        start = before
    return text[start:end]


def _link_before(text: str, start: int) -> int | None:
    """Where the words are that link the traceback at ``start`` to one before."""
    above = text[max(0, start - 200) : start].rstrip()
    for link in _LINKS:
        if above.endswith(link):
            return text.rindex(link, 0, start)
    return None


def _one(text: str) -> str:
    """The traceback that a text begins with: its frames, and the message below."""
    lines = text.split("\n")
    end = 1
    while end < len(lines) and (lines[end].startswith((" ", "\t")) or not lines[end]):
        end += 1
    stop = min(len(lines), end + _MESSAGE_LINES)
    goes_on = end < len(lines) and _GOES_ON.search(lines[end]) is not None
    while end < stop and (lines[end] or goes_on) and not lines[end].startswith(_HEADER):
        end += 1
    return "\n".join(lines[:end]).rstrip()


def _chain(traceback: str) -> list[str]:
    """Its tracebacks, one by one, in the order in which they happened."""
    parts = [traceback]
    for link in _LINKS:
        parts = [piece for part in parts for piece in part.split(f"\n{link}\n")]
    return [part.strip("\n") for part in parts if part.strip()]


def _lines_of_message(traceback: str) -> list[str]:
    """What stands below the frames, of the last one; at least one line, which may be empty."""
    parts = _chain(traceback)
    lines = parts[-1].split("\n") if parts else [""]
    for at, line in enumerate(lines):
        if at and line and not line.startswith((" ", "\t")):
            return lines[at:]
    return [""]


def _one_line(traceback: str) -> str:
    first, *more = _lines_of_message(traceback)
    if not _GOES_ON.search(first):
        return first
    told = [line.strip() for line in more if line.strip() and "[[{{" not in line]
    if first.rstrip().endswith("in user code:"):  # First it says where, then what, then with what.
        return next((line for line in told if _ERROR.match(line)), first)
    if "Graph execution error" in first:
        told = [line for line in told if not line.startswith(("File ", "Detected at"))][-1:]
    return f"{first.rstrip()} {told[0]}" if told else first


def _of_rank(text: str, rank: str) -> str:
    mark = f"[rank{rank}]:"
    lines = [line for line in text.split("\n") if line.startswith(mark)]
    return "\n".join(line[len(mark) :].removeprefix(" ") for line in lines)


def _cut(traceback: str) -> str:
    """One that is too long loses its middle, or its beginning: the end says what happened."""
    if len(traceback) <= _LONGEST_TRACEBACK:
        return traceback
    return f"{_HEADER}\n  ...\n{traceback[-_LONGEST_TRACEBACK:]}"
