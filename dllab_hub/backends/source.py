"""Code that cannot even be read is refused before anything is written."""

from __future__ import annotations

import warnings

from ..errors import InvalidRequest
from ..specs import Preflight, TrainingSpec

__all__ = ("check_preflight", "check_source")

#: Of the code of one job, so much is checked for syntax: about a tenth of a second at the worst.
_CHECKED_BYTES = 128 * 1024


def check_source(spec: TrainingSpec) -> None:
    """Refuse code that cannot even be read, naming file and line.

    Compiling holds Python's global lock: what is very long is not looked at, and fails by itself.
    """
    room = _CHECKED_BYTES
    own = {spec.code.filename: spec.code.source} if spec.code.kind == "script" else {}
    files = {**own, **spec.code.files}
    for name, text in files.items():
        room -= len(text)
        if room < 0:
            return
        if not name.endswith(".py") and name not in own:
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # They are for the author, in the job's log.
                compile(text, name, "exec", dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as exc:
            line = exc.lineno if isinstance(exc, SyntaxError) else None
            what = exc.msg if isinstance(exc, SyntaxError) else str(exc) or type(exc).__name__
            at = f"{name}, line {line}" if line else name
            raise InvalidRequest(
                f"syntax error in {at}: {what}.",
                hint="Nothing was started.",
                field="code.source" if name == spec.code.filename else "code.files",
                line=line,
            ) from None


def check_preflight(found: Preflight, spec: TrainingSpec) -> None:
    """Refuse a job that is known to fail, in the words of what was found.

    Raises:
        InvalidRequest: an error was found; file and line are named.
    """
    error = found.error
    if error is None:
        return
    own = error.file == spec.code.filename and bool(spec.code.source)
    place = f"{error.file}, line {error.line}: " if error.line else f"{error.file}: "
    field = "code.source" if own else "code.files" if error.file else "code"
    raise InvalidRequest(
        place + error.message if error.file else error.message,
        hint=error.hint or "Nothing was started.",
        field=field,
        line=error.line,
    )
