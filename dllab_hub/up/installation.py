"""One installation on one machine: its directories, ports, secrets, and who can read what."""

from __future__ import annotations

import json
import os
import secrets
import socket
import stat
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ..errors import AccessDenied, InvalidRequest, Unavailable
from ..shim.ports import free_port
from ..state import StateDir

__all__ = ("Settings", "check_os_users", "load_settings", "make_directories", "secret")


@dataclass(frozen=True)
class Settings:
    """What ``config/jupyterhub/local.py`` reads from ``<root>/hub/settings.json``.

    Attributes:
        port: Where people go.
        hub_port: JupyterHub behind its proxy.
        proxy_port: The proxy's own interface.
        service_port: The lab service.
        os_users: Whether each lab runs as the account of its person.
        proxy: Command of configurable-http-proxy.
    """

    port: int
    hub_port: int
    proxy_port: int
    service_port: int
    os_users: bool
    proxy: Sequence[str]

    @property
    def address(self) -> str:
        """What people type into a browser."""
        return f"http://127.0.0.1:{self.port}"

    @classmethod
    def choose(
        cls, before: Settings | None, *, port: int, os_users: bool, proxy: Sequence[str]
    ) -> Settings:
        """Ports as they were before where they are still free, else other free ones.

        Args:
            before: Of the last start, or None.
            port: What the person asked for; 0 for any.
            os_users: As in the class.
            proxy: As in the class.

        Raises:
            Unavailable: somebody else listens on ``port``.
        """
        if port and not _is_free(port):
            raise Unavailable(
                f"port {port} is taken by another program.",
                hint=f"Choose another one: dllab up --port {_other(port)}",
            )
        taken: set[int] = set()

        def pick(wanted: int) -> int:
            while not wanted or wanted in taken or not _is_free(wanted):
                wanted = free_port()
            taken.add(wanted)
            return wanted

        return cls(
            port=pick(port),
            hub_port=pick(before.hub_port if before else 0),
            proxy_port=pick(before.proxy_port if before else 0),
            service_port=pick(before.service_port if before else 0),
            os_users=os_users,
            proxy=list(proxy),
        )

    def save(self, state: StateDir) -> None:
        """Write them for the hub's configuration and for the next start."""
        partial = state.hub / "settings.json.tmp"
        partial.write_text(json.dumps(asdict(self), indent=1) + "\n")
        partial.replace(state.hub / "settings.json")


def load_settings(state: StateDir) -> Settings | None:
    """Those of the last start, or None when there was none that can be read."""
    try:
        return Settings(**json.loads((state.hub / "settings.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None


def make_directories(state: StateDir, os_users: bool) -> None:
    """Private ones for one account; passable ones when every account has things below them.

    A root that was there before is somebody's: it keeps its mode, but for the passage of others.
    """
    outer = 0o711 if os_users else 0o700
    try:
        is_ours = not state.root.exists() or state.hub.exists()
        for path in (state.root, state.homes, state.jobs, state.labs, state.tensorboard):
            path.mkdir(mode=outer, parents=True, exist_ok=True)
            if path != state.root or is_ours:
                path.chmod(outer)
            elif os_users:
                path.chmod(stat.S_IMODE(path.stat().st_mode) | 0o011)
        for path in (state.hub, state.leases):
            path.mkdir(mode=0o700, exist_ok=True)
            path.chmod(0o700)
        state.envs.mkdir(mode=0o755, parents=True, exist_ok=True)
        if os_users:
            state.envs.chmod(0o755)
    except OSError as exc:
        raise Unavailable(
            f"{state.root} cannot be used: {exc.strerror}.",
            hint="Choose another directory: dllab up --home DIR",
        ) from exc


def secret(path: Path, length: int) -> str:
    """The secret in this file, made when it is missing; only the owner can read it.

    Args:
        path: Of the file.
        length: Characters.
    """
    try:
        found = path.read_text().strip()
        if len(found) >= length:
            return found
    except FileNotFoundError:
        pass
    # No letters or digits that look alike: it is read from one screen and typed on another.
    fresh = "".join(secrets.choice("abcdefghjkmnpqrstuvwxyz23456789") for _ in range(length))
    partial = path.with_name(path.name + ".tmp")
    with open(partial, "w", opener=lambda p, flags: os.open(p, flags, 0o600)) as file:
        file.write(fresh + "\n")
    partial.replace(path)
    return fresh


def check_os_users(state: StateDir) -> None:
    """Refuse OS-user mode where it cannot work.

    Raises:
        AccessDenied: the hub would not run as root.
        InvalidRequest: other accounts cannot reach the interpreter or the state; names the
            directory that is closed to them.
    """
    if os.geteuid() != 0:
        raise AccessDenied(
            "only root can start labs as other accounts.", hint="Run: sudo dllab up --os-users"
        )
    package = Path(__file__).parent.parent
    needed = [Path(sys.executable), Path(sys.executable).resolve(), Path(sys.prefix), package]
    for path in needed:
        closed = _closed(path)
        if closed:
            raise InvalidRequest(
                f"other accounts cannot run {path}: {closed} is closed to them.",
                hint="Install dllab-hub where every account can read it, such as a virtual "
                "environment /opt/dllab-hub made with /usr/bin/python3.",
            )
    reached = [(state.root, "--home /var/lib/dllab-hub")]
    if not state.envs.is_relative_to(state.root):
        reached.append((state.envs, "DLLAB_ENVS"))
    for path, option in reached:
        closed = _closed(path.parent)  # The last step is opened by `make_directories`.
        if closed:
            raise InvalidRequest(
                f"other accounts cannot reach {path}: {closed} is closed to them.",
                hint=f"Choose another directory with {option}.",
            )


def _closed(path: Path) -> Path | None:
    """The first directory on the way that others may not pass, or the file they may not read."""
    for step in (*reversed(path.parents), path):
        try:
            mode = step.stat().st_mode
        except FileNotFoundError:
            return None  # It will be made by us.
        needed = stat.S_IXOTH if stat.S_ISDIR(mode) else stat.S_IROTH
        if not mode & needed:
            return step
    return None


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _other(port: int) -> int:
    return next((n for n in range(port + 1, min(port + 50, 65536)) if _is_free(n)), 0)
