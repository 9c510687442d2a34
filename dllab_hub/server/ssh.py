"""SSH at ``{base_url}dllab/ssh/``: jupyter-sshd-proxy's sshd, for one key and this one lab.

A WebSocket carries the connection, so whoever comes in has proved twice who they are: to the hub
with a token, and to sshd with the key that was given when the lab was started. There are no
passwords. The shell has the lab's environment (see `ssh_session`), so that the GPUs are the lab's
and no others.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_server.utils import url_path_join

from ..errors import DLLabError, Unavailable
from ..names import slug
from . import ssh_session

__all__ = ("NAME", "SshServer", "open_ssh", "routes")

#: Address below the base URL.
NAME = "dllab/ssh"
#: Not on everybody's PATH, where sshd is.
_SBIN = ("/usr/sbin", "/usr/local/sbin", "/sbin")
_SFTP = (
    "/usr/lib/openssh/sftp-server",
    "/usr/libexec/openssh/sftp-server",
    "/usr/libexec/sftp-server",
    "/usr/lib/ssh/sftp-server",
)
#: Seconds for sshd to take connections on a busy machine.
_START_TIMEOUT = 60.0


@dataclass(frozen=True)
class SshServer:
    """The door as it was set up.

    Attributes:
        user: Account to log in as.
        host_keys: Its public keys, in OpenSSH's form.
        process: In jupyter-server-proxy's terms; empty when there is a problem.
        problem: Why nobody can log in, and what to do; empty when one can.
        files: Made for this lab; `close` removes them.
    """

    user: str
    host_keys: tuple[str, ...] = ()
    process: Mapping[str, Any] | None = None
    problem: str = ""
    files: tuple[Path, ...] = ()

    def close(self) -> None:
        """Remove what holds the lab's secrets."""
        for path in self.files:
            path.unlink(missing_ok=True)


def open_ssh(environ: Mapping[str, str], runtime: Path) -> SshServer | None:
    """Set SSH up as the lab's environment asks. Blocks for some milliseconds.

    Args:
        environ: ``DLLAB_SSH`` is ``1`` when it was picked; ``DLLAB_SSH_KEYS`` is the path of its
            keys, or ``DLLAB_SSH_KEY`` the text of them.
        runtime: Directory that only this account can read.

    Returns:
        None when it was not picked.
    """
    if environ.get("DLLAB_SSH") != "1":
        return None
    user = pwd.getpwuid(os.geteuid())
    try:
        return _open(environ, runtime, user)
    except DLLabError as exc:
        return SshServer(user.pw_name, problem=f"{exc.message} {exc.hint}".strip())


def _open(environ: Mapping[str, str], runtime: Path, user: pwd.struct_passwd) -> SshServer:
    sshd = shutil.which("sshd", path=os.pathsep.join([environ.get("PATH", ""), *_SBIN]))
    if sshd is None:
        raise Unavailable(
            "sshd is not installed here.",
            hint="Ask the administrator for the package openssh-server.",
        )
    if os.geteuid() == 0:
        # Where sshd of root confines itself; a machine that never ran one has none.
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    home = Path(environ.get("HOME") or user.pw_dir)
    name = slug(environ.get("DLLAB_LAB_ID") or "lab")
    runtime.mkdir(mode=0o700, parents=True, exist_ok=True)
    keys = _keys(environ, runtime / f"dllab-ssh-{name}.keys")
    session = runtime / f"dllab-ssh-{name}.json"
    told = {
        "env": _environment(environ),
        "home": str(home),
        "shell": environ.get("SHELL") or user.pw_shell or "/bin/sh",
        "sftp": next((path for path in _SFTP if os.access(path, os.X_OK)), ""),
    }
    _write(session, json.dumps(told))
    public = _host_key(home / ".ssh")
    own = (session,) if "DLLAB_SSH_KEYS" in environ else (session, keys)
    return SshServer(user.pw_name, (public,), _process(sshd, user, keys, session), files=own)


def _process(sshd: str, user: pwd.struct_passwd, keys: Path, session: Path) -> dict[str, Any]:
    # It looks for its files when it is imported, in the home that the lab has by then.
    from jupyter_sshd_proxy import setup_sshd

    proxied: dict[str, Any] = setup_sshd()
    python = (sys.executable, "-I", "-S", ssh_session.__file__, str(session))
    ours = {
        "AuthorizedKeysFile": _word(str(keys)),
        "AuthenticationMethods": "publickey",
        "PasswordAuthentication": "no",
        "KbdInteractiveAuthentication": "no",
        "PermitRootLogin": "prohibit-password",
        "AllowUsers": user.pw_name,
        # It would ask for the modes of all directories above. `_keys` has looked at the last one.
        "StrictModes": "no",
        "ForceCommand": shlex.join(python),
        "AcceptEnv": "LANG LC_* COLORTERM",
        "PermitUserRC": "no",
        "PermitTunnel": "no",
        "X11Forwarding": "no",
        "PrintMotd": "no",
        # Keeps what is between awake; it is no activity of the person's.
        "ClientAliveInterval": "30",
        "ClientAliveCountMax": "4",
        "PidFile": "none",
    }
    words = [part for name, value in ours.items() for part in ("-o", f"{name} {value}")]
    # The proxy fills in braces, and ours are none of its. Of two, sshd takes the first.
    escaped = [word.replace("{", "{{").replace("}", "}}") for word in (sshd, *words)]
    # However the server ends, sshd ends with it: sshd writes its title where its environment was,
    # by which what a killed lab leaves behind is found.
    if setpriv := shutil.which("setpriv"):
        escaped = [setpriv, "--pdeathsig", "KILL", "--", *escaped]
    return {
        **proxied,
        "command": [*escaped, *proxied["command"][1:]],
        "timeout": _START_TIMEOUT,
        # Keep-alives of a terminal that was left open must not keep an idle lab from being stopped.
        "update_last_activity": False,
        "launcher_entry": {"enabled": False},
    }


def _keys(environ: Mapping[str, str], own: Path) -> Path:
    """The file of the keys that may come in."""
    named = environ.get("DLLAB_SSH_KEYS")
    if not named:
        text = environ.get("DLLAB_SSH_KEY", "").strip()
        if not text:
            raise Unavailable(
                "this lab was started without a public key.", hint="Start it again with yours."
            )
        _write(own, text + "\n")
        return own
    path = Path(named)
    try:
        for each in (path, path.parent):
            found = each.stat()
            if found.st_mode & 0o022 or found.st_uid not in (0, os.geteuid()):
                raise Unavailable(
                    f"others could change the keys of this lab in {each}.",
                    hint="Ask the administrator.",
                )
        path.read_bytes()
    except OSError as exc:
        raise Unavailable(
            f"the keys of this lab cannot be read: {exc.strerror}.", hint="Start the lab again."
        ) from exc
    return path


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What a kernel of the lab has: its packages come first, and it is their environment."""
    env = dict(environ)
    python = environ.get("DLLAB_PYTHON")
    if python:
        bin = Path(python).parent
        env["PATH"] = os.pathsep.join([str(bin), environ.get("PATH", os.defpath)])
        env["VIRTUAL_ENV"] = str(bin.parent)
    return env


def _host_key(directory: Path) -> str:
    """The person's host key where jupyter-sshd-proxy looks for it; made when it is missing.

    Two labs that start at once get the same one: whoever comes second takes the first one's.
    """
    from jupyter_sshd_proxy import HOSTKEY_PATH

    path = Path(HOSTKEY_PATH)
    try:
        if not path.exists():
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=path.parent, prefix=".dllab-") as scratch:
                made = Path(scratch) / "key"
                _keygen("-t", "ed25519", "-N", "", "-C", "lab", "-f", str(made))
                with contextlib.suppress(FileExistsError):
                    os.link(made, path)
        return " ".join(_keygen("-y", "-f", str(path)).split()[:2])
    except (OSError, subprocess.SubprocessError) as exc:
        said = getattr(exc, "stderr", None) or exc
        raise Unavailable(
            f"the lab's host key {path} is not usable: {str(said).strip()}.",
            hint="Remove it and start the lab again.",
        ) from exc


def _keygen(*args: str) -> str:
    done = subprocess.run(
        ["ssh-keygen", "-q", *args],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return done.stdout


def _write(path: Path, text: str) -> None:
    """For this account's eyes only, from its first byte on."""
    partial = path.with_name(path.name + ".tmp")
    partial.unlink(missing_ok=True)
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    partial.replace(path)


def _word(path: str) -> str:
    """A path in sshd's configuration: quoted, and with none of its ``%`` tokens."""
    return '"' + path.replace("%", "%%").replace("\\", "\\\\").replace('"', '\\"') + '"'


def routes(base_url: str, ssh: SshServer | None) -> list[tuple[str, Any, dict[str, Any]]]:
    """Where the WebSocket is; nowhere when nobody can log in."""
    if ssh is None or ssh.process is None:
        return []
    from jupyter_server_proxy.config import ServerProcess

    # Not by an entry point: those are there in every lab, picked or not.
    handler, options = ServerProcess(name=NAME, **ssh.process).make_proxy_handler()
    return [(re.escape(url_path_join(base_url, f"{NAME}/")) + "(.*)", handler, options)]
