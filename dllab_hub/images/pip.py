"""`Pip`: runs an environment's own pip, keeps all it says, and tells people a few of its lines."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

from ..errors import StorageFull, Unavailable
from .download import in_words

__all__ = ("Pip", "Say", "no_room")

#: Bytes; with less a disk is full, whatever a program that failed has said.
_ROOM = 1 << 20

#: Takes one line for people.
Say = Callable[[str], None]


class Pip:
    """Runs programs that build one environment; each call blocks until its program has ended.

    Args:
        title: Of the image, for messages.
        python: The environment's interpreter.
        log: File that gets everything they say.
        say: Gets what people want to know.
        lock: File descriptor that the programs inherit: while one of them lives, even after its
            builder was killed, nobody else starts to build.
    """

    def __init__(self, title: str, python: Path, log: Path, say: Say, lock: int | None) -> None:
        self.title = title
        self.log = log
        self._python = python
        self._say = say
        self._lock = lock

    def __call__(self, *args: str) -> list[str]:
        """Run pip; the lines of its standard output."""
        python = str(self._python)
        return self.run([python, "-m", "pip", "--no-input", "--disable-pip-version-check", *args])

    def run(self, argv: list[str], fresh: bool = False) -> list[str]:
        """Run any program of the build; the lines of its standard output.

        Args:
            argv: Its command.
            fresh: Whether the log starts anew.

        Raises:
            StorageFull: the disk is full.
            Unavailable: it failed; the message has its own reason.
        """
        # A kernel needs no front end: whether this checkout has built it makes no difference.
        environ = {**os.environ, "SKIP_JUPYTER_BUILDER": "1", "PYTHONUNBUFFERED": "1"}
        environ.pop("PYTHONPATH", None)
        environ.pop("PIP_REQUIRE_VIRTUALENV", None)
        lines: list[str] = []
        follow = _Follow(self.title, self._say)
        with self.log.open("wb" if fresh else "ab") as log:
            log.write(f"$ {' '.join(argv)}\n".encode())
            log.flush()
            with subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environ,
                umask=0o022,  # Every account of the machine may read and run it.
                text=True,
                errors="replace",
                pass_fds=() if self._lock is None else (self._lock,),
            ) as process:
                try:
                    assert process.stdout is not None
                    for line in process.stdout:
                        follow(line)
                        if not line.startswith("Progress "):
                            lines.append(line.rstrip("\n"))
                            log.write(line.encode())
                except BaseException:
                    process.kill()  # Ctrl-C in the terminal: pip must not go on alone.
                    raise
            code = process.returncode
        if code:
            self._fail()
        return lines

    def _fail(self) -> None:
        why = _last_error(self.log)
        hint = f"All of pip's lines are in {self.log}."
        # On a full disk there may be no room for the reason either.
        full = shutil.disk_usage(self.log.parent).free < _ROOM
        if full or "No space left on device" in why or "Disk quota exceeded" in why:
            raise no_room(self.title)
        message = f"the environment of {self.title} could not be built: {why.rstrip('.')}."
        raise Unavailable(message, hint=hint)


def no_room(title: str) -> StorageFull:
    """What is said of a disk that became full while an image was built on it."""
    return StorageFull(
        f"the disk is full: {title} does not fit.",
        hint="Make room, or set DLLAB_ENVS to a directory on a larger disk; run it again.",
    )


class _Follow:
    """Turns pip's lines into a few for people: large files with their progress, and the install."""

    def __init__(self, title: str, say: Say) -> None:
        self.title = title
        self.say = say
        self.file = ""
        self.quarter = 0

    def __call__(self, line: str) -> None:
        words = line.split()
        if words[:1] in (["Downloading"], ["Processing"]) and len(words) > 1:
            self.file = unquote(words[1].rsplit("/", 1)[-1]).split("-cp")[0].removesuffix(".whl")
            self.quarter = 0
        elif words[:1] == ["Progress"] and len(words) == 4:
            done, size = int(words[1]), int(words[3])
            if size > 20e6 and 4 * done // size > self.quarter:
                self.quarter = 4 * done // size
                so_far = f"{in_words(done)} of {in_words(size)}"
                self.say(f"{self.title}: {self.file}: {so_far} downloaded")
        elif line.startswith("Installing collected packages"):
            count = line.count(",") + 1
            self.say(f"{self.title}: installing {count} packages, a minute or two")


def _last_error(log: Path) -> str:
    """Pip's own reason, from the last 16 KiB of its log."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 16384))
        lines = [line for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    lines = [line.strip() for line in lines]
    by_pip = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    raised = [line for line in lines if re.match(r"[\w.]*(Error|Exception): ", line)]
    return (by_pip or raised or lines or ["no reason given"])[-1]
