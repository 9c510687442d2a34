"""`Lab`: one lab's place on this machine, its account, and the shim that it runs below."""

from __future__ import annotations

import hashlib
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..catalog import interpreter
from ..errors import AccessDenied, Conflict, NotFound
from ..leases import Lease
from ..names import slug
from ..shim import process
from ..specs import Catalog, Image, LabSpec
from ..state import StateDir
from . import home

__all__ = ("Lab", "Prepared")

_PACKAGE = Path(__file__).parent.parent
_WELCOME = _PACKAGE / "notebooks" / "welcome.ipynb"


@dataclass(frozen=True)
class Prepared:
    """What `Lab.prepare` has found out.

    Attributes:
        home: Where the notebooks are.
        env: Variables of the lab.
        path: Directories for the front of PATH.
        first_page: Where to send the person, or an empty string for the usual page.
        account: ``user``, ``group`` and ``extra_groups`` for Popen; empty in single-user mode.
    """

    home: Path
    env: dict[str, str]
    path: Sequence[str]
    first_page: str = ""
    account: dict[str, Any] = field(default_factory=dict)


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
    def directory(self) -> Path:
        """Written by the hub only; ``run`` below it by the lab."""
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

    @property
    def home(self) -> Path:
        """The person's home and notebooks, shared by all their labs."""
        if self.os_user:
            return Path(self._account().pw_dir)
        return self.state.homes / slug(self.owner)

    @property
    def holder(self) -> dict[str, str]:
        """How the lab signs for its GPUs."""
        name = self.server or "default"
        return {"kind": "lab", "owner": self.owner, "name": name, "id": self.id}

    def prepare(self, spec: LabSpec, catalog: Catalog, shared: Collection[str]) -> Prepared:
        """Make directories, links, the welcome notebook and the image's kernel.

        Args:
            spec: What was picked; it has been checked.
            catalog: Where its volumes are.
            shared: Volumes that other labs of the person use now.

        Raises:
            Conflict: something in the home is in the way.
            NotFound: no such account.
            Unavailable: the image's environment is not built.
        """
        python = interpreter(self.state, spec.image)
        account = self._popen_account()
        self._make_directories(account)
        volumes = {name: catalog.volume(name).path for name in spec.volumes}
        wish = {
            "home": str(self.home),
            "volumes": volumes,
            "shared": sorted(shared),
            "welcome": str(_WELCOME),
        }
        is_new = self._prepare_home(wish, account)["welcome"]
        self._write_settings(python, catalog.image(spec.image))
        return Prepared(
            home=self.home,
            env={
                "DLLAB_HOME": str(self.state.root),
                "DLLAB_ENVS": str(self.state.envs),
                "DLLAB_IMAGE": spec.image,
                "DLLAB_LAB_ID": self.id,
                "DLLAB_TENSORBOARD": "1" if spec.tensorboard else "0",
                "DLLAB_TENSORBOARD_LOGDIR": str(self.state.tensorboard / slug(self.owner)),
                "JUPYTER_PATH": str(self.directory / "jupyter"),
                "JUPYTER_CONFIG_PATH": str(self.directory / "jupyter"),
            },
            path=(str(python.parent), str(Path(sys.executable).parent)),
            first_page=f"/lab/tree/{_WELCOME.name}" if is_new else "",
            account=account,
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
        shim = [sys.executable, "-P", "-m", "dllab_hub.shim", "lab", str(self.directory / "run")]
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
        process.sweep(self.mark, uid=self._account().pw_uid if self.os_user else None)

    def last_words(self) -> str:
        """The last line of its server's log, cut to a sentence's length."""
        with open(self.log, "rb") as file:
            file.seek(max(0, self.log.stat().st_size - 4096))
            lines = file.read().decode(errors="replace").split("\n")
        return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "no word")

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

    def _account(self) -> pwd.struct_passwd:
        try:
            account = pwd.getpwnam(self.owner)
        except KeyError:
            raise NotFound(f"this machine has no account {self.owner}.") from None
        if account.pw_uid == 0:
            raise AccessDenied("there are no labs for root when labs run as their own accounts.")
        return account

    def _popen_account(self) -> dict[str, Any]:
        if not self.os_user:
            return {}
        account = self._account()
        return {
            "user": account.pw_uid,
            "group": account.pw_gid,
            "extra_groups": os.getgrouplist(self.owner, account.pw_gid),
        }

    def _make_directories(self, account: dict[str, Any]) -> None:
        for path in (self.state.labs, self.directory):
            path.mkdir(mode=0o711, parents=True, exist_ok=True)
            path.chmod(0o711 if account else 0o700)
        run = self.directory / "run"
        run.mkdir(mode=0o700, exist_ok=True)  # Its parent is ours: nobody can have put a link here.
        if account:
            os.chown(run, account["user"], account["group"])

    def _prepare_home(self, wish: dict[str, Any], account: dict[str, Any]) -> dict[str, Any]:
        if not account:
            try:
                return dict(home.prepare(**wish))
            except home.HomeProblem as exc:
                raise Conflict(str(exc)) from exc
        done = subprocess.run(
            [sys.executable, "-I", "-S", str(Path(home.__file__))],
            input=json.dumps(wish),
            capture_output=True,
            text=True,
            timeout=30,
            cwd="/",
            env={"PATH": os.defpath},
            **account,
        )
        try:
            answer: dict[str, Any] = json.loads(done.stdout)
        except ValueError:
            why = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
            raise Conflict(f"the home of {self.owner} is not usable: {why[0]}") from None
        if "problem" in answer:
            raise Conflict(answer["problem"])
        return answer

    def _write_settings(self, python: Path, image: Image) -> None:
        """The lab's one kernel is the image's interpreter; JupyterLab does not ask about its news.

        They lie beside ``run``, not in it: a person must not lead the hub's writing elsewhere.
        """
        top = self.directory / "jupyter"
        shutil.rmtree(top, ignore_errors=True)
        kernel = {
            "argv": [
                *(str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"),
                "--IPKernelApp.extra_extensions=dllab_hub",
            ],
            "display_name": image.title,
            "language": "python",
            "metadata": {"debugger": True},
            "env": {"VIRTUAL_ENV": str(python.parent.parent)},
        }
        page = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
        for path, content in (
            (top / "kernels" / "python3" / "kernel.json", kernel),
            (top / "labconfig" / "page_config.json", page),
        ):
            path.parent.mkdir(parents=True)
            path.write_text(json.dumps(content, indent=1))
        for path in (top, *top.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
