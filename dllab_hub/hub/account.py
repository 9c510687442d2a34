"""`Account`: as whom a lab runs, and small programs that run as that account."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import (
    AccessDenied,
    Conflict,
    DLLabError,
    InvalidRequest,
    NotFound,
    StorageFull,
    Unavailable,
)
from ..names import slug
from ..state import StateDir

__all__ = ("Account",)

#: Seconds for a program; the longest part is a person's own environment that is asked what it has.
_PATIENCE = 90.0
#: Of the hub's variables, what a program that only works on files may see: how to reach an index of
#: packages, and the language.
_PASSED = ("LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "LD_LIBRARY_PATH")
_PASSED_STARTS = ("PIP_", "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY",
                  "NO_PROXY")  # fmt: skip


@dataclass(frozen=True)
class Account:
    """The account below a person's labs: their own, or the hub's. Methods block.

    Attributes:
        state: State of this machine.
        owner: Person.
        os_user: Whether it is the account of the person's name.
    """

    state: StateDir
    owner: str
    os_user: bool

    @property
    def entry(self) -> pwd.struct_passwd:
        """What the machine knows of the person's own account.

        Raises:
            NotFound: no such account.
            AccessDenied: it is root's.
        """
        try:
            entry = pwd.getpwnam(self.owner)
        except KeyError:
            raise NotFound(f"this machine has no account {self.owner}.") from None
        if entry.pw_uid == 0:
            raise AccessDenied("there are no labs for root when labs run as their own accounts.")
        return entry

    @property
    def uid(self) -> int | None:
        """Of the person's own account, else None."""
        return self.entry.pw_uid if self.os_user else None

    @property
    def home(self) -> Path:
        """The person's home and notebooks, shared by all their labs."""
        return Path(self.entry.pw_dir) if self.os_user else self.state.homes / slug(self.owner)

    @property
    def popen(self) -> dict[str, Any]:
        """``user``, ``group`` and ``extra_groups`` for Popen; empty for the hub's own account."""
        if not self.os_user:
            return {}
        entry = self.entry
        return {
            "user": entry.pw_uid,
            "group": entry.pw_gid,
            "extra_groups": os.getgrouplist(self.owner, entry.pw_gid),
        }

    def environ(self) -> dict[str, str]:
        """Variables of a program that works on the person's files; none of the hub's secrets."""
        passed = {
            name: value
            for name, value in os.environ.items()
            if name in _PASSED or name.startswith(_PASSED_STARTS)
        }
        about = {"HOME": str(self.home), "USER": self.owner, "LOGNAME": self.owner}
        return {**passed, **about, "PATH": os.defpath}

    def own(self, path: Path, mode: int) -> None:
        """Give a directory that the hub has made, in a place of the hub, to the account."""
        path.mkdir(mode=mode, exist_ok=True)  # Its parent is ours: nobody can have put a link here.
        if self.os_user:
            entry = self.entry
            os.chown(path, entry.pw_uid, entry.pw_gid)

    def do(
        self,
        work: Callable[..., Mapping[str, Any]],
        problem: type[Exception],
        field: str = "",
        **wish: Any,
    ) -> dict[str, Any]:
        """Do something to the person's files, as the person.

        Args:
            work: A function of a module that is a program too: it reads ``wish`` as JSON and prints
                its answer, or ``{"problem": sentence}``.
            problem: What the function raises in that case.
            field: Of the form, when a problem means that the wish itself is wrong.
            wish: Its arguments.

        Raises:
            InvalidRequest: with that sentence, for a field.
            Conflict: with that sentence, else.
            StorageFull: no room is left for it.
            Unavailable: the disk does not answer.
        """
        if not self.os_user:
            try:
                return dict(work(**wish))
            except problem as exc:
                raise _complaint(str(exc), field) from exc
        program = sys.modules[work.__module__].__file__
        try:
            done = subprocess.run(
                [sys.executable, "-I", "-S", str(program)],
                input=json.dumps(wish),
                capture_output=True,
                text=True,
                timeout=_PATIENCE,
                cwd="/",
                env=self.environ(),
                **self.popen,
            )
        except subprocess.TimeoutExpired:
            raise Unavailable(
                f"the home of {self.owner} does not answer.",
                hint="Try again; if it lies on a network disk, ask the administrator.",
            ) from None
        try:
            answer: dict[str, Any] = json.loads(done.stdout)
        except ValueError:
            why = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
            raise _complaint(f"the home of {self.owner} is not usable: {why[0]}", "") from None
        if "problem" in answer:
            raise _complaint(answer["problem"], field)
        return answer


def _complaint(sentence: str, field: str) -> DLLabError:
    if any(sign in sentence for sign in ("[Errno 28]", "[Errno 122]")):
        return StorageFull(sentence, hint="Delete what is not needed, then try again.")
    return InvalidRequest(sentence, field=field) if field else Conflict(sentence)
