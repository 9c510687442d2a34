"""Why a job says nothing any more: who waits for whom, and where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..plaintext import inert
from ..specs import Cause, Diagnosis, Frame, JobState, Remedy, Stack, TrainingJob
from .starts import sentence

__all__ = ("COLLECTIVES", "silence", "stalled")

#: Functions in which a process waits for all others.
COLLECTIVES = frozenset(
    {
        *("all_reduce", "all_gather", "all_gather_into_tensor", "all_gather_object", "all_to_all"),
        *("all_to_all_single", "barrier", "monitored_barrier", "broadcast", "gather", "scatter"),
        *("broadcast_object_list", "reduce", "reduce_scatter", "reduce_scatter_tensor"),
        *("send", "recv", "scatter_object_list", "init_process_group", "rendezvous"),
    }
)
#: Functions behind which native code waits, and what they are for.
_ENDS = {"_engine_run_backward": "backward", "quick_execute": "a step of TensorFlow"}
_MOST_NAMES = 3


def stalled(
    job: TrainingJob,
    now: float,
    stacks: Sequence[Stack] = (),
    lines: Mapping[tuple[str, int], str] | None = None,
) -> Diagnosis:
    """What is known of a job that has been silent since `TrainingJob.silent_since`.

    Args:
        job: Which.
        now: Seconds since the epoch.
        stacks: Where its replicas are; empty when nobody has looked.
        lines: Text of lines of its code, by file and number.
    """
    said = silence(job, now)
    who = _who(job, stacks, lines or {})
    where = _first(job, stacks)
    return Diagnosis(
        cause=Cause.STALLED,
        message=sentence(inert(f"{said}: {who}" if who else said)),
        hint=_hint(job, stacks),
        remedies=(Remedy.WAIT, Remedy.CANCEL),
        replica=where.replica if where else "",
        attempt=job.attempt or None,
        traceback=inert(_traceback(where, lines or {})) if where else "",
    )


def silence(job: TrainingJob, now: float) -> str:
    """``Nothing was heard of the job for 12 min``: how each message about it begins."""
    minutes = max(0.0, now - (job.silent_since or now)) / 60
    hours = f"{minutes / 60:.1f} h" if minutes >= 100 else f"{minutes:.0f} min"
    return f"Nothing was heard of the job for {hours if minutes >= 1 else f'{60 * minutes:.0f} s'}"


def _who(job: TrainingJob, stacks: Sequence[Stack], lines: Mapping[tuple[str, int], str]) -> str:
    stopped = [one.name for one in job.replicas if one.stopped]
    ended = [one.name for one in job.replicas if one.state is JobState.SUCCEEDED]
    waiting = [stack for stack in stacks if stack.waits]
    others = [s for s in stacks if s.frames and not s.waits and s.replica not in stopped]
    wait = ""
    if waiting:
        count = len(waiting)
        more = "other" if others or stopped or ended else ""
        whom = waiting[0].replica if count == 1 else f"{count} {more + 's' if more else 'replicas'}"
        wait = f"{whom} {'waits' if count == 1 else 'wait'} in {_collective(waiting[0])}"
    if stopped:
        one = f"{_names(stopped)} {'is' if len(stopped) == 1 else 'are'} stopped by a signal"
        return f"{one}{f', while {wait}' if wait else ''}"
    if others:
        at: dict[str, list[str]] = {}
        for stack in others:
            at.setdefault(_place(stack, lines), []).append(stack.replica)
        # Those that few others share say most.
        places = [
            f"{_names(names)} {'is' if len(names) == 1 else 'are'} {place}"
            for place, names in sorted(at.items(), key=lambda each: len(each[1]))
        ]
        more = f", and others at {len(places) - _MOST_NAMES} more" if places[_MOST_NAMES:] else ""
        said = ", and ".join(places[:_MOST_NAMES]) + more
        return f"{said}{f', while {wait}' if wait else ''}"
    if ended and wait:
        return f"{_names(ended)} {'has' if len(ended) == 1 else 'have'} ended, while {wait}"
    if waiting and len(waiting) == len(stacks):
        kinds = {_collective(stack) for stack in waiting}
        if len(kinds) > 1:
            return "all wait, in different operations: " + ", ".join(sorted(kinds))
        return f"all {len(waiting)} replicas wait in {kinds.pop()}" if waiting[1:] else wait
    return wait


def _hint(job: TrainingJob, stacks: Sequence[Stack]) -> str:
    trouble = next((stack.error for stack in stacks if stack.error), "")
    if trouble and not any(stack.frames for stack in stacks):
        return f"Where it hangs cannot be seen: {trouble}"
    if any(stack.waits for stack in stacks):
        return "Each replica must run the same steps: look at the one that does not wait."
    if job.spec.on_stall == "relaunch":
        return "It is relaunched from its last checkpoint."
    return "If it should be at work, cancel it, or let it relaunch with on_stall."


def _first(job: TrainingJob, stacks: Sequence[Stack]) -> Stack | None:
    """Whose place says most: one that does not wait, and is where few others are."""
    seen = [stack for stack in stacks if stack.frames]
    where = [(_own(stack).file, _own(stack).line) for stack in seen]
    order = sorted(range(len(seen)), key=lambda n: (seen[n].waits, where.count(where[n])))
    return seen[order[0]] if seen else None


def _place(stack: Stack, lines: Mapping[tuple[str, int], str]) -> str:
    """``at train.py line 41, `time.sleep(60)```, or ``in get of queue.py line 171``."""
    frame = _own(stack)
    text = lines.get((frame.file, frame.line), "").strip()
    where = f"{frame.file.rpartition('/')[2]} line {frame.line}"
    return f"at {where}, in `{text[:80]}`" if text else f"in {frame.function} at {where}"


def _own(stack: Stack) -> Frame:
    """The innermost frame of the person's own code; else the innermost."""
    own = (frame for frame in stack.frames if frame.file and not frame.file.startswith(("/", "<")))
    return next(own, stack.frames[0])


def _collective(stack: Stack) -> str:
    names = [frame.function for frame in stack.frames]
    known = next((name for name in names if name in COLLECTIVES), names[0])
    return _ENDS.get(known, known.strip("_"))


def _names(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _traceback(stack: Stack, lines: Mapping[tuple[str, int], str]) -> str:
    """As Python would show it, innermost last."""
    shown = ["Stack (most recent call last):"]
    for frame in reversed(stack.frames):
        shown.append(f'  File "{frame.file}", line {frame.line}, in {frame.function}')
        if text := lines.get((frame.file, frame.line), "").strip():
            shown.append(f"    {text[:200]}")
    return "\n".join(shown)
