"""Why a training job waits or has failed: who failed first, of what, and where."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePath

from ..plaintext import inert
from ..specs import Cause, Diagnosis, Forecast, JobState, Remedy, ReplicaStatus, TrainingJob
from .signs import Reading, is_of_peer, read
from .starts import no_free_gpu, sentence, starting

__all__ = ("first_failed", "of_job")

#: Lines of a log that come along, and characters of each.
_KEPT, _LONGEST = 20, 300
#: A process that had this part of all memory and was killed was likely killed for that.
_MUCH = 0.8
_GIB, _MIB = 2**30, 2**20
_FRAME = re.compile(r'^\s+File "([^"]+)", line (\d+), in ', re.MULTILINE)
_OVER = re.compile(r"[\w.-]+ used [\d.]+ \w+, more than the [\d.]+ \w+ it may use")
#: What Python writes between two tracebacks of which the first led to the second.
_LINK = re.compile(
    r"\n(?:During handling of the above exception, another exception occurred"
    r"|The above exception was the direct cause of the following exception):\n"
)
#: Lines at the end of a log that say why a process ended which had no exception.
_LAST_WORDS = 5
_TOLD = ("KeyboardInterrupt", "SystemExit", "SignalException", "SIGTERMException")
#: Of these no other replica is the peer.
_ELSEWHERE = re.compile(r"(requests|urllib3?|http|aiohttp|botocore|huggingface_hub)\.")
#: Whom the supervisor found furthest behind when a job was silent for too long.
_LAST = re.compile(r"; (\S+) was last, at step ")
_NAME = re.compile(r"[a-z0-9.-]+-\d+(?:\.\d+)? ")
_SIGNALS = {
    "SIGSEGV": "it crashed in native code, such as an extension or a driver",
    "SIGABRT": "native code gave up, as after a failed assertion",
    "SIGBUS": "a file that was mapped is not there, often for want of shared memory",
    "SIGILL": "the processor does not know an instruction it was built with",
    "SIGTERM": "somebody, or the machine, asked it to end",
    "SIGFPE": "native code divided by zero",
}
_AGAIN = (Remedy.RETRY,)


def of_job(
    job: TrainingJob,
    forecast: Forecast | None = None,
    *,
    log: Sequence[str] = (),
    memory: int | None = None,
) -> Diagnosis | None:
    """Why a job waits or has failed; None when it does neither.

    Args:
        job: As its backend tells it.
        forecast: For its GPUs, while it is PENDING.
        log: The end of the log of `first_failed`, oldest line first.
        memory: Bytes that there are for processes without a limit of their own, or None.
    """
    if job.state is JobState.PENDING:
        if forecast is not None and job.spec.gpus and forecast.answer != "now":
            return no_free_gpu(job.spec.gpus, forecast)
        return starting(job.reason)
    if job.state not in (JobState.FAILED, JobState.LOST, JobState.RESTARTING):
        return None
    first = first_failed(job)
    lines = [line[:_LONGEST] for line in inert("\n".join(log)).split("\n") if line.strip()]
    found = _of_end(job) or (_of_replica(job, first, lines, memory) if first else None)
    if found is None:
        reading = read(job.reason)
        cause = reading.cause if reading else Cause.CRASHED
        found = _made(cause, job.reason or "it ended", reading.hint if reading else "")
    about: dict[str, object] = {"attempt": job.attempt or None, "log": tuple(lines[-_KEPT:])}
    if found.cause is Cause.STALLED:
        last = _LAST.search(job.reason)
        about |= {"replica": last[1] if last else ""}
    elif first is not None and found.cause not in (Cause.TIME_LIMIT, Cause.LOST):
        about |= {"replica": first.name, "traceback": inert(first.traceback)}
    return found.model_copy(update=about)


def first_failed(job: TrainingJob) -> ReplicaStatus | None:
    """Who failed of itself; who only lost the connection to others has not, when there is another.

    Replicas that were ended because one had failed are no cause, unless their own last words say
    that they had failed already.
    """
    failed = [one for one in job.replicas if one.state is JobState.FAILED]
    failed.sort(key=lambda one: one.ended or float("inf"))
    others = [
        one
        for one in job.replicas
        if one.state is JobState.CANCELLED
        and (one.oom or _name(_exception(one.traceback)) not in ("", *_TOLD))
    ]
    for one in (*failed, *others):
        error = _exception(one.traceback)
        if _ELSEWHERE.match(error) or not is_of_peer(error):
            return one
    return failed[0] if failed else None


def _of_end(job: TrainingJob) -> Diagnosis | None:
    """What its own sentence says, when no replica is to blame."""
    step = f" from step {job.checkpoint.step}" if job.checkpoint else ""
    if job.state is JobState.LOST:
        hint = f"Resume it: it goes on{step or ', from the beginning'}."
        return _made(Cause.LOST, job.reason, hint)
    if job.reason.startswith("it reached its time limit"):
        hint = f"Run it again with more time; it can go on{step}." if step else "Give it more time."
        return _made(Cause.TIME_LIMIT, job.reason, hint)
    if job.reason.startswith("nothing was heard of"):
        hint = "Its stacks and the last lines of each replica say where it hung."
        return _made(Cause.STALLED, job.reason, hint)
    return None


def _of_replica(
    job: TrainingJob, one: ReplicaStatus, lines: Sequence[str], memory: int | None
) -> Diagnosis:
    if over := _OVER.search(job.reason):
        hint = "Use a smaller batch or fewer data loader workers, or ask for more memory."
        return _made(Cause.OUT_OF_MEMORY, over[0], hint)
    if one.oom or one.signal == "SIGKILL":
        return _killed(job, one, memory)
    if one.signal:
        why = _SIGNALS.get(one.signal, "")
        said = f"{one.name} was ended by {one.signal}" + (f": {why}" if why else "")
        # Native code that gives up says why first, then where, at length.
        reading = read("\n".join(lines if one.signal == "SIGABRT" else lines[-_LAST_WORDS:]))
        hint = reading.hint if reading else "PYTHONFAULTHANDLER=1 prints where it was."
        return _made(reading.cause if reading else Cause.CRASHED, said, hint)
    exception = _exception(one.traceback)
    # What was said long before the end, such as what is not installed, did not end it.
    reading = read(exception or "\n".join(lines[-_LAST_WORDS:]))
    if exception and (reading is None or reading.cause is Cause.PEER):
        reading = read(_exceptions(one.traceback)) or reading
    alone = len(job.replicas) == 1 or _ELSEWHERE.match(exception)
    if exception and alone and reading is not None and reading.cause is Cause.PEER:
        reading = None  # Of a server, for example.
    at = _where(one.traceback, job.workspace)
    if reading is not None:
        return _made(*_told(one, reading, at, job))
    if exception:
        message = exception.split("\n")[0].partition(":")[2]
        # ``torch.cuda.Error`` is as long as it has to be.
        said = f"{one.name} failed with {_name(exception)}{at}"
        said += f": {message.strip()}" if message.strip() else ""
        return _made(Cause.EXCEPTION, said[:600], "Its traceback says where.")
    last = lines[-1].strip() if lines else ""
    code = "" if one.exit_code is None else f" with code {one.exit_code}"
    said = f"{one.name} ended{code}" if code else job.reason or f"{one.name} failed"
    if code and last:
        said += f"; its last line: {last}"
    return _made(Cause.CRASHED, said, "Its last lines say more." if last else "It said nothing.")


def _told(
    one: ReplicaStatus, reading: Reading, at: str, job: TrainingJob
) -> tuple[Cause, str, str]:
    said = f"{one.name} {reading.said.replace('{at}', at)}"
    if reading.cause is Cause.PEER and (more := _gone(job) or _behind(job)):
        said += f"; {more}"
    return reading.cause, said, reading.hint


def _killed(job: TrainingJob, one: ReplicaStatus, memory: int | None) -> Diagnosis:
    """``worker-3 was killed by SIGKILL, likely out of memory: peak 23.4 of 24 GiB.``"""
    role = next((role for role in job.spec.roles if role.name == one.role), None)
    own = role.memory if role else None
    limit = own or memory
    peak = one.peak_memory
    much = bool(peak and limit and peak >= _MUCH * limit)
    used = ""
    if peak:
        unit, name = (_GIB, "GiB") if max(peak, limit or 0) >= _GIB else (_MIB, "MiB")
        of = f" of {limit / unit:.3g}" if limit else ""
        used = f"peak {peak / unit:.3g}{of} {name}"
    hint = "Use a smaller batch or fewer data loader workers, or load data in parts."
    what = f"{one.name} was killed by {one.signal}" if one.signal else f"A child of {one.name} was"
    if one.oom:
        said = f"{what if one.signal else what + ' killed'}: the machine ran out of memory"
        return _made(Cause.OUT_OF_MEMORY, said + (f"; its {used}" if used else ""), hint)
    if much or (one.oom is None and not peak):
        said = f"{what}, likely out of memory" + (f": {used}" if used else "")
        return _made(Cause.OUT_OF_MEMORY, said, hint)
    known = "and not because memory ran out" if one.oom is False else "perhaps for another reason"
    said = f"{what}, {known}" + (f": {used}" if used else "")
    hint = "Somebody, or a program that watches over the machine, may have done that. Resume it."
    return _made(Cause.KILLED, said, hint)


def _gone(job: TrainingJob) -> str:
    """``worker-3 had ended by then``, with success: it did fewer steps than the others."""
    names = [one.name for one in job.replicas if one.state is JobState.SUCCEEDED]
    more = f" and {len(names) - 3} more" if names[3:] else ""
    return f"{', '.join(names[:3])}{more} had ended by then" if names else ""


def _behind(job: TrainingJob) -> str:
    """``worker-3 was furthest behind: step 120, others 140``, as far as they have said."""
    steps = [(other.step, other.name) for other in job.replicas if other.step is not None]
    if len(steps) < 2 or min(steps)[0] == max(steps)[0]:
        return ""
    (least, name), (most, _) = min(steps), max(steps)
    return f"{name} was furthest behind: step {least}, others {most}"


def _exception(traceback: str) -> str:
    """What is below the frames of a traceback: name and message, which may have several lines.

    Of several that led to each other it is the last, which ended the program.
    """
    lines = _LINK.split(traceback)[-1].strip("\n").split("\n")
    for number, line in enumerate(lines):
        if number and line and not line.startswith((" ", "\t")):
            return "\n".join(lines[number:]).strip()
    return ""


def _name(exception: str) -> str:
    """``OutOfMemoryError`` of ``torch.OutOfMemoryError: …``."""
    return exception.split("\n")[0].partition(":")[0].rpartition(".")[2]


def _exceptions(traceback: str) -> str:
    """The messages of all that led to each other."""
    return "\n".join(map(_exception, _LINK.split(traceback)))


def _where(traceback: str, workspace: str) -> str:
    """`` at train.py line 41``: the last line of the person's own code; else nothing."""
    own = ""
    for path, line in _FRAME.findall(traceback):
        if workspace and path.startswith(f"{workspace}/"):
            own = f" at {path[len(workspace) + 1 :]} line {line}"
        elif "site-packages" not in path and "/lib/python" not in path and path[:1] != "<":
            own = f" at {PurePath(path).name} line {line}"
    return own


def _made(cause: Cause, said: str, hint: str) -> Diagnosis:
    text = inert(said).strip()
    # A replica's name stays as it is.
    text = sentence(text) if not _NAME.match(text) else sentence("x" + text)[1:]
    return Diagnosis(cause=cause, message=text, hint=hint, final=True, remedies=_AGAIN)
