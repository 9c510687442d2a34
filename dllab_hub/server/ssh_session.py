"""What an SSH login runs: the person's shell, with the lab's environment around it.

``python -I -S ssh_session.py FILE``, by sshd's ForceCommand. sshd gives a session next to nothing
of the environment that it was started with, so the lab's comes from ``FILE`` (mode 0600, JSON):
``{"env": {...}, "home": path, "shell": path, "sftp": path}``. It is not on sshd's command line,
which every account of the machine can read. Standard library only, and little of it: it runs at
every login and for every file that is copied.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping

__all__ = ("command", "main", "merged")

#: What is of this session, not of the lab.
_OF_SESSION = ("SSH_", "LC_")
_OF_SESSION_TOO = {"TERM", "LANG", "LANGUAGE", "COLORTERM", "MAIL"}


def merged(lab: Mapping[str, str], session: Mapping[str, str]) -> dict[str, str]:
    """The environment of the shell: the lab's, and what describes this session's terminal."""
    own = {
        name: value
        for name, value in session.items()
        if name.startswith(_OF_SESSION) or name in _OF_SESSION_TOO
    }
    own.pop("SSH_ORIGINAL_COMMAND", None)
    return {**lab, **own}


def command(asked: str, shell: str, sftp: str, home: str) -> list[str]:
    """What to run for the command that was asked for.

    Args:
        asked: As the client sent it; empty for a login. A subsystem arrives as its program.
        shell: Path of the person's shell.
        sftp: Path of OpenSSH's sftp-server; empty when there is none.
        home: Where relative paths of sftp begin.
    """
    if asked.partition(" ")[0] == "internal-sftp":
        if not sftp:
            return ["/bin/sh", "-c", "echo 'sftp-server is not installed here.' >&2; exit 127"]
        return [sftp, "-d", home.replace("%", "%%")]  # It has tokens of its own.
    if asked:
        return [shell, "-c", asked]
    # Not a login shell: /etc/profile would set another PATH, without the lab's interpreter.
    return [shell]


def main() -> None:
    """Become the shell; does not return."""
    with open(sys.argv[1], encoding="utf-8") as file:
        lab = json.load(file)
    argv = command(
        os.environ.get("SSH_ORIGINAL_COMMAND", ""), lab["shell"], lab["sftp"], lab["home"]
    )
    os.chdir(lab["home"])
    os.execve(argv[0], argv, merged(lab["env"], os.environ))  # noqa: S606


if __name__ == "__main__":
    main()
