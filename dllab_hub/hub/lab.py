"""`Lab`: one lab's place on this machine, and the shim that it runs below."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..catalog import interpreter
from ..leases import Lease
from ..names import slug
from ..shim import EXIT_RECORD, process
from ..shim.record import read_exit
from ..specs import CUSTOM, Catalog, LabSpec
from ..state import StateDir
from . import environment, home
from .account import Account
from .prepared import Kernel, Prepared, variables, write_settings

__all__ = ("Lab",)

_SHIM = str(Path(process.__file__).with_name("__main__.py"))
_WELCOME = Path(__file__).parent.parent / "notebooks" / "welcome.ipynb"
#: Bytes of a server's log that are looked at.
_TAIL = 16384


@dataclass(frozen=True)
class Lab:
    """One lab of one person. Methods that touch the disk block: call them in a thread.

    Attributes:
        state: State of this machine.
        id: Name of its directory.
        owner: Person.
        server: JupyterHub's name of the server; empty for the first one.
        os_user: Whether it runs as the person's own account.
    """

    state: StateDir
    id: str
    owner: str
    server: str
    os_user: bool

    @property
    def account(self) -> Account:
        """As whom it runs."""
        return Account(self.state, self.owner, self.os_user)

    @property
    def home(self) -> Path:
        """The person's home and notebooks, shared by all their labs."""
        return self.account.home

    @property
    def directory(self) -> Path:
        """Written by the hub only; ``run`` and ``overlay`` below it by the lab."""
        return self.state.labs / self.id

    @property
    def mark(self) -> str:
        """What all its processes carry in their environment.

        A person may have a lab of the same id below another root, of which nothing must be ended.
        """
        digest = hashlib.sha256(os.fsencode(self.state.root.resolve())).hexdigest()
        return f"{self.id}@{digest[:12]}"

    @property
    def log(self) -> Path:
        """What its server says."""
        return self.directory / "lab.log"

    def holder(self, spec: LabSpec) -> dict[str, Any]:
        """How the lab signs for its GPUs."""
        name = self.server or "default"
        about = {"kind": "lab", "owner": self.owner, "name": name, "id": self.id}
        return {**about, "lend": True} if spec.lend else about

    def prepare(self, spec: LabSpec, catalog: Catalog, shared: Collection[str]) -> Prepared:
        """Make directories, links, the welcome notebook, the overlay and the image's kernel.

        Args:
            spec: What was picked; it has been checked.
            catalog: Where its volumes are.
            shared: Volumes that other labs of the person use now.

        Raises:
            Conflict: something in the home is in the way.
            InvalidRequest: the person's own environment is none, or lies where it may not.
            NotFound: no such account.
            StorageFull: no room is left.
            Unavailable: the image's environment is not built.
        """
        python = "" if spec.image == CUSTOM else str(interpreter(self.state, spec.image))
        account = self.account
        self._make_directories(account)
        volumes = [catalog.volume(name) for name in spec.volumes]
        is_new = account.do(
            home.prepare,
            home.HomeProblem,
            home=str(account.home),
            volumes={volume.name: volume.path for volume in volumes if volume.path},
            shared=sorted(shared),
            welcome=str(_WELCOME),
        )["welcome"]
        made = account.do(
            environment.prepare,
            environment.EnvironmentProblem,
            "custom" if spec.image == CUSTOM else "",
            python=python,
            custom=spec.custom if spec.image == CUSTOM else "",
            roots=list(catalog.bring.environments),
            overlay=str(self._overlay(spec)),
        )
        kernel = Kernel(
            title="" if spec.image == CUSTOM else catalog.image(spec.image).title,
            python=Path(made["python"]),
            below=Path(made["below"]),
            magics=bool(made["magics"]),
        )
        write_settings(self.directory / "jupyter", kernel)
        self._write_keys(spec, account)
        return Prepared(
            home=account.home,
            env={
                "DLLAB_HOME": str(self.state.root),
                "DLLAB_ENVS": str(self.state.envs),
                "DLLAB_LAB_ID": self.id,
                "DLLAB_OVERLAY": str(self._overlay(spec)),
                "DLLAB_SSH_KEYS": str(self.directory / "authorized_keys"),
                "JUPYTER_PATH": str(self.directory / "jupyter"),
                "JUPYTER_CONFIG_PATH": str(self.directory / "jupyter"),
                **variables(spec, catalog, kernel, self.state, self.owner),
            },
            python=kernel.python,
            path=(
                *(str(kernel.python.parent), str(kernel.below.parent)),
                str(Path(sys.executable).parent),
            ),
            first_page=f"/lab/tree/{_WELCOME.name}" if is_new else "",
            account=account.popen,
        )

    def launch(
        self, prepared: Prepared, argv: Sequence[str], env: Mapping[str, str], lease: Lease
    ) -> tuple[subprocess.Popen[bytes], dict[str, Any] | None]:
        """Run ``argv`` below a shim that holds the lease from now on.

        Returns:
            The shim, and its identity, which is also written down beside ``run``: a hub that is
            killed before it has stored it finds it there (`end_leftover`).
        """
        locks = [word for fd in lease.fds for word in ("--lock-fd", str(fd))]
        shim = [sys.executable, "-I", "-S", _SHIM, "lab", str(self.directory / "run")]
        with open(self.log, "wb", opener=_private) as log:
            started = subprocess.Popen(
                [*shim, "--id", self.mark, *locks, "--", *argv],
                env=dict(env),
                cwd=prepared.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=lease.fds,
                start_new_session=True,
                **prepared.account,
            )
        identity = process.identity(started.pid)
        partial = self.directory / "lab.json.tmp"
        with open(partial, "w", opener=_private) as file:
            json.dump({"owner": self.owner, "server": self.server, "shim": identity}, file)
        partial.replace(self.directory / "lab.json")
        return started, identity

    def is_running(self, identity: dict[str, Any]) -> bool:
        """Whether this very process lives."""
        return process.is_alive(identity)

    def signal(self, identity: dict[str, Any], number: int) -> None:
        """Send a signal to this very process; nothing when it has ended."""
        process.send(identity, number)

    def sweep(self) -> None:
        """Kill what a killed shim could not end: every process that carries the lab's mark."""
        process.sweep(self.mark, uid=self.account.uid)

    def last_lines(self) -> list[str]:
        """The end of its server's log, oldest line first."""
        try:
            with open(self.log, "rb") as file:
                file.seek(max(0, self.log.stat().st_size - _TAIL))
                return file.read().decode(errors="replace").split("\n")
        except FileNotFoundError:
            return []

    def exit_record(self) -> dict[str, Any] | None:
        """How its shim says that it ended."""
        return read_exit(self.directory / "run" / EXIT_RECORD)

    def end_leftover(self, timeout: float) -> None:
        """End a lab of this id that nobody remembers: its hub was killed while it started."""
        try:
            identity = json.loads((self.directory / "lab.json").read_text())["shim"]
        except (OSError, ValueError, KeyError):
            return
        if not identity or not process.is_alive(identity):
            return
        self.signal(identity, signal.SIGTERM)
        deadline = time.monotonic() + timeout
        while process.is_alive(identity) and time.monotonic() < deadline:
            time.sleep(0.1)
        if process.is_alive(identity):
            self.signal(identity, signal.SIGKILL)
            self.sweep()

    def _overlay(self, spec: LabSpec) -> Path:
        """One apiece for each environment: what is installed on one does not fit another."""
        name = spec.image
        if name == CUSTOM:
            name = f"{CUSTOM}-{hashlib.sha256(spec.custom.encode()).hexdigest()[:12]}"
        return self.directory / "overlay" / name

    def _make_directories(self, account: Account) -> None:
        boards = self.state.tensorboard
        for path in (self.state.labs, self.directory, boards):
            path.mkdir(mode=0o711, parents=True, exist_ok=True)
            path.chmod(0o711 if account.os_user else 0o700)
        # Directories can be shown in TensorBoard before the first job has made one there.
        for path in (self.directory / "run", self.directory / "overlay", boards / slug(self.owner)):
            account.own(path, 0o700)

    def _write_keys(self, spec: LabSpec, account: Account) -> None:
        """The keys that open the lab to SSH: the account's, in a directory that only we write."""
        keys = self.directory / "authorized_keys"
        if not spec.ssh:
            keys.unlink(missing_ok=True)
            return
        partial = keys.with_name("authorized_keys.tmp")
        with open(partial, "w", opener=_private) as file:
            file.write(spec.ssh_key.rstrip("\n") + "\n")
            if account.os_user:
                os.fchown(file.fileno(), account.entry.pw_uid, account.entry.pw_gid)
        partial.replace(keys)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
