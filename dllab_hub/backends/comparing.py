"""`compare`: jobs beside each other. Pure: from records, and from nothing else."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any, Literal

from ..specs import CodeDiff, Comparison, Curve, Curves, Difference, DiffLine, JobRecord, JobState
from .thinning import thinned

__all__ = ("compare",)

#: Lines of one file that are compared, and rows that are shown of it.
_MOST_LINES, _MOST_ROWS = 5000, 2000
#: Rows of all files: of those that come later it is only said how long they are.
_ALL_ROWS = 20_000
#: Points of all curves together.
_POINTS = 60_000
#: Pairs of equal lines beyond which frequent ones are not compared with each other.
_MUCH = 500_000
#: Equal lines that are shown around a difference.
_AROUND = 3
#: What differs between any two jobs and tells nothing.
_DULL = {"name", "git.dirty"}
_NONE: Mapping[str, str] = {}


def compare(records: Sequence[JobRecord], texts: Mapping[str, str] = _NONE) -> Comparison:
    """What differs between two jobs or more; the first is what the others are compared with.

    It may take a second: call it in a thread.

    Args:
        records: Of the jobs.
        texts: Of files that travelled with them, by SHA-256; of others it is only said that they
            differ.
    """
    jobs = [record.job for record in records]
    return Comparison(
        jobs=tuple(jobs),
        differences=(
            *_differences("spec", [_spec(record) for record in records]),
            *_differences("environment", [_environment(record) for record in records]),
            *_differences("result", [_result(record) for record in records]),
        ),
        code=tuple(_code(records, texts)),
        curves=tuple(
            Curves(curves=thinned(_metrics(record), _POINTS // len(records))) for record in records
        ),
    )


def _metrics(record: JobRecord) -> tuple[Curve, ...]:
    return tuple(one for one in record.curves if one.source in ("report", "tensorboard"))


def _differences(
    part: Literal["spec", "environment", "result"], sides: Sequence[Mapping[str, str]]
) -> Iterator[Difference]:
    fields = dict.fromkeys(field for side in sides for field in side)
    for field in fields:
        values = tuple(side.get(field) for side in sides)
        if len(set(values)) > 1 and field not in _DULL:
            yield Difference(part=part, field=field, values=values)


def _spec(record: JobRecord) -> dict[str, str]:
    """The wish, but for its code, which is compared line by line."""
    job = record.job
    wire = job.spec.to_wire()
    code = {key: value for key, value in wire["code"].items() if key not in ("source", "files")}
    code["args"] = _arguments(job.spec.code.args)
    wire |= {"code": code, "tags": ", ".join(job.tags), "volumes": ", ".join(job.spec.volumes)}
    if record.files:
        del wire["workspace"]  # A digest tells a person nothing, and its files are there.
    return dict(_flat(wire))


def _arguments(args: Sequence[str]) -> dict[str, str]:
    """``--lr 0.1 --lr=0.1 --fast data`` as value by name; what has no name is counted."""
    found: dict[str, str] = {}
    left, place = list(args), 0
    while left:
        word = left.pop(0)
        name, equals, value = word.partition("=")
        if not re.fullmatch(r"--?[A-Za-z][\w.-]*", name):
            name, value, place = str(place), word, place + 1
        elif not equals:
            # An option that is followed by another one is a switch; -1 and -0.5 are values.
            takes = bool(left) and not re.match(r"--?[A-Za-z]", left[0])
            value = left.pop(0) if takes else "yes"
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _environment(record: JobRecord) -> dict[str, str]:
    env = record.environment
    if env is None:
        return {}
    # What the lab installed comes before the image's own.
    packages = {**env.packages, **env.overlay}
    return dict(_flat({"image": env.title, "python": env.python, "packages": packages}))


def _result(record: JobRecord) -> dict[str, str]:
    job = record.job
    found: dict[str, Any] = {
        "state": job.state.value,
        "reason": "" if job.state is JobState.SUCCEEDED else job.reason,
        "cause": job.diagnosis.cause.value if job.diagnosis else None,
        "attempts": job.attempt,
        "seconds": round(job.ran, 1),
        "gpu_hours": round(job.gpu_seconds / 3600, 3),
        "step": job.progress.step if job.progress else None,
    }
    if job.progress:
        found |= {f"last {name}": f"{value:.6g}" for name, value in job.progress.metrics.items()}
    return dict(_flat(found))


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """``("roles.0.replicas", "2")`` and so on; what is empty is left out."""
    if isinstance(value, Mapping):
        items: Any = value.items()
    elif isinstance(value, list | tuple):
        items = enumerate(value)
    elif value is None or value == "":
        return
    else:
        yield path, str(value)
        return
    for key, inner in items:
        yield from _flat(inner, f"{path}.{key}" if path else str(key))


def _code(records: Sequence[JobRecord], texts: Mapping[str, str]) -> Iterator[CodeDiff]:
    before, room = _sources(records[0], texts), _ALL_ROWS
    left = _unread(records[0], before)
    for other in records[1:]:
        id, after = other.job.id, _sources(other, texts)
        right = _unread(other, after)
        for path in dict.fromkeys((*before, *after, *left, *right)):
            if path in left or path in right:
                if left.get(path) != right.get(path):
                    yield CodeDiff(job=id, path=path, binary=True)
                continue
            old, new = before.get(path, ""), after.get(path, "")
            if old != new:
                sides = old.splitlines(), new.splitlines()
                if sides[0] == sides[1]:  # They end their lines in another way.
                    sides = old.split("\n"), new.split("\n")
                lines, more = _beside(*sides) if room > 0 else ((), max(map(len, sides)))
                room -= len(lines)
                yield CodeDiff(job=id, path=path, lines=lines, more=more)


def _sources(record: JobRecord, texts: Mapping[str, str]) -> dict[str, str]:
    """The texts that were submitted, by path; those of the wish come before the workspace's."""
    code = record.job.spec.code
    own = {"code": code.source} if code.source else {}
    known = {file.path: texts[file.sha256] for file in record.files if file.sha256 in texts}
    return {**own, **known, **code.files}


def _unread(record: JobRecord, read: Mapping[str, str]) -> dict[str, str]:
    """SHA-256 of the files whose text is not known, by path."""
    return {file.path: file.sha256 for file in record.files if file.path not in read}


def _beside(old: Sequence[str], new: Sequence[str]) -> tuple[tuple[DiffLine, ...], int]:
    """Rows of both files beside each other, and how many are left out."""
    cut = max(len(old) - _MOST_LINES, 0) + max(len(new) - _MOST_LINES, 0)
    old, new = old[:_MOST_LINES], new[:_MOST_LINES]
    rows: list[DiffLine] = []
    counts = Counter(new)
    much = sum(counts[line] for line in old) > _MUCH  # The same line many times: minutes of work.
    groups = SequenceMatcher(None, old, new, autojunk=much).get_opcodes()
    for number, (kind, a, b, c, d) in enumerate(groups):
        if kind == "equal":
            rows += _equal(old, a, b, c, number == 0, number == len(groups) - 1)
            continue
        for offset in range(max(b - a, d - c)):
            rows.append(_changed(old, new, a + offset, b, c + offset, d))
    return tuple(rows[:_MOST_ROWS]), cut + max(len(rows) - _MOST_ROWS, 0)


def _equal(
    lines: Sequence[str], a: int, b: int, c: int, is_first: bool, is_last: bool
) -> list[DiffLine]:
    head, tail = 0 if is_first else _AROUND, 0 if is_last else _AROUND
    skip = b - a - head - tail
    if skip <= 1:
        head, tail, skip = b - a, 0, 0
    same = [
        DiffLine(kind="same", left=n + 1, before=lines[n], right=n - a + c + 1, after=lines[n])
        for n in (*range(a, a + head), *range(b - tail, b))
    ]
    if skip:
        same.insert(head, DiffLine(kind="skipped", before=str(skip)))
    return same


def _changed(
    old: Sequence[str], new: Sequence[str], at: int, b: int, other: int, d: int
) -> DiffLine:
    left, right = at < b, other < d
    return DiffLine(
        kind="changed" if left and right else "removed" if left else "added",
        left=at + 1 if left else None,
        before=old[at] if left else "",
        right=other + 1 if right else None,
        after=new[other] if right else "",
    )
