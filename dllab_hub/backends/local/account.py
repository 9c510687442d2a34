"""`Account`: whom a job runs as."""

from __future__ import annotations

import getpass
import logging
import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from ...errors import InvalidRequest

__all__ = ("Account", "account_of", "known_account", "own_account")

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Account:
    """Whom a job runs as.

    Attributes:
        name: Unix name, or None when everything runs as the service's own user.
        uid: User id.
        gid: Group id.
        home: Home directory.
    """

    name: str | None
    uid: int
    gid: int
    home: str


def own_account() -> str:
    """The name of the account of this process."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())  # A container may run as a number without a name.


def account_of(owner: str, os_users: bool) -> Account:
    """Whom the jobs of ``owner`` run as.

    Raises:
        InvalidRequest: in OS-user mode: there is no such account, or it is root.
    """
    if not os_users:
        home = os.environ.get("HOME") or "/"
        return Account(None, os.geteuid(), os.getegid(), home)
    try:
        entry = pwd.getpwnam(owner)
    except (KeyError, ValueError) as exc:
        raise InvalidRequest("you have no account on this machine that could run jobs.") from exc
    if entry.pw_uid == 0:
        raise InvalidRequest("jobs never run as root.", hint="Log in with another account.")
    return Account(owner, entry.pw_uid, entry.pw_gid, entry.pw_dir)


def known_account(path: Path, name: str | None) -> Account:
    """The account of a job from before; one that was deleted since is known by its number.

    Args:
        path: The job's directory.
        name: What ``job.json`` says.
    """
    if name:
        try:
            entry = pwd.getpwnam(name)
            return Account(name, entry.pw_uid, entry.pw_gid, entry.pw_dir)
        except KeyError:
            _LOG.warning("The account %s of %s is gone.", name, path)
    try:
        about = os.stat(path / "run", follow_symlinks=False)
    except FileNotFoundError:
        return Account(name, os.geteuid(), os.getegid(), "/")
    return Account(name, about.st_uid, about.st_gid, "/")
