"""SSH from one's own machine to a lab: the configuration for OpenSSH, and the way in.

The lab is reached as its pages are, at the hub's address with a token; a WebSocket carries the
connection. What is kept here lies in one directory for each lab, readable by its person only:
``token``, and ``known_hosts`` with the keys that the lab proves itself with. Those come from the
lab itself each time, by the hub's own (TLS) address: whoever can answer there needs no more.
"""

from __future__ import annotations

import os
import re
import shlex
import ssl
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx

from .errors import AccessDenied, Conflict, DLLabError, InvalidRequest, Unavailable

__all__ = (
    "LOOPBACK",
    "Way",
    "carry",
    "config",
    "door",
    "known_hosts",
    "lab_url",
    "read_token",
    "write",
)

LOOPBACK = {"127.0.0.1", "::1", "localhost"}
_PIECE = 65536
#: Seconds: the lab's sshd is started by the first who comes.
_PATIENCE = 90.0
# These words of the far side become lines of a configuration that starts programs.
_ALIAS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_USER = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._-]{0,99}")
_PATH = re.compile(r"/[\x21-\x7e]{1,1000}")
_KEY = re.compile(r"[a-z0-9@.-]{1,60} [A-Za-z0-9+/]{16,2000}={0,2}")
# What a browser's address line has behind that of the lab.
_PAGE = re.compile(r"/(lab|dllab|tree|doc)(/.*)?\Z")


@dataclass(frozen=True)
class Way:
    """What a lab has said about its SSH.

    Of its own and not of `specs`: ssh waits for each import.

    Attributes:
        user: Account to log in as.
        alias: What the lab is to be called.
        path: Of the WebSocket, on the lab's own address.
        host_keys: Public keys that it proves itself with.
    """

    user: str
    alias: str
    path: str
    host_keys: tuple[str, ...]


def lab_url(text: str) -> str:
    """The address of a lab, from that of any page of it.

    >>> lab_url("https://hub.example/user/ada/lab/tree/a.ipynb")
    'https://hub.example/user/ada/'

    Raises:
        InvalidRequest: it is no http address.
    """
    try:
        parts = urlsplit(text.strip())
        known = parts.scheme in ("http", "https") and parts.hostname
        _ = parts.port
    except ValueError:
        known = None
    if not known or "@" in parts.netloc or not text.strip().isascii():
        raise InvalidRequest(
            "the address of a lab begins with https://", hint="Copy it from the lab's page."
        )
    # Somebody may be called `lab`: their name is no page.
    base = person[0] if (person := re.match(r".*?/user/[^/]+", parts.path)) else ""
    path = (base + _PAGE.sub("", parts.path[len(base) :])).rstrip("/") + "/"
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


def door(url: str, token: str) -> Way:
    """Ask a lab how one logs in to it.

    Raises:
        DLLabError: it does not run, has no SSH, or does not accept the token.
    """
    parts = urlsplit(url)
    try:
        answer = httpx.get(
            f"{url}dllab/api/lab",
            headers={"Authorization": f"token {token}"},
            timeout=httpx.Timeout(30.0, connect=10.0),
            trust_env=parts.hostname not in LOOPBACK,
            verify=parts.scheme == "https" and _trusted(),  # They take longer to read than http.
        )
    except httpx.RequestError as exc:
        if "CERTIFICATE_VERIFY_FAILED" in str(exc):
            raise Unavailable(
                f"the certificate of {parts.netloc} is not trusted on this machine.",
                hint="If an authority of your own signed it, set SSL_CERT_FILE to its certificate.",
            ) from exc
        why = "nothing answers" if isinstance(exc, httpx.ConnectError) else "no answer came"
        raise Unavailable(f"{why} at {url}: {exc}.", hint="Is the address right?") from exc
    if not answer.is_success:
        raise _refusal(url, answer)
    try:
        found = answer.json()["ssh"]
    except (ValueError, KeyError, TypeError):
        raise Unavailable(f"no lab answers at {url}.", hint="Is the address right?") from None
    if not isinstance(found, dict):
        raise Conflict(
            "this lab was started without SSH.", hint="Start it again with SSH and your public key."
        )
    if problem := found.get("problem"):
        raise Unavailable(str(problem))
    user, alias, path = (str(found.get(name, "")) for name in ("user", "alias", "path"))
    keys = found.get("host_keys")
    if (
        not _USER.fullmatch(user)
        or not _ALIAS.fullmatch(alias)
        or not _PATH.fullmatch(path)
        or not isinstance(keys, list)
        or not all(_KEY.fullmatch(str(key)) for key in keys)
    ):
        raise Unavailable("the lab's answer is not understood.", hint="Do the versions differ?")
    return Way(user, alias, path, tuple(keys))


def config(
    way: Way, url: str, files: Path, alias: str, identity: str = "", windows: bool = False
) -> str:
    """The lines for ``~/.ssh/config``.

    Args:
        way: What the lab has said.
        url: Of the lab.
        files: Where `carry` finds the token.
        alias: What the lab is to be called.
        identity: Path of the private key; empty for those that ssh tries by itself.
        windows: Whether that is the system that reads it.

    Raises:
        InvalidRequest: a name or path cannot be written there.
    """
    if not _ALIAS.fullmatch(alias):
        raise InvalidRequest("has letters, digits, dots and hyphens.", field="host")
    if any(c in f"{files}{identity}" for c in '"\n\r'):
        raise InvalidRequest("a path with quotes or line breaks cannot be written to the file.")
    command = [sys.executable, "-P", "-m", "dllab_hub.cli", "ssh-proxy"]
    command += ["--host", alias, "--files", str(files), url]
    joined = subprocess.list2cmdline(command) if windows else shlex.join(command)
    lines = [
        "",  # Where they are added, the last line may have no end.
        f"Host {alias}",
        f"    User {way.user}",
        f"    ProxyCommand {_plain(joined)}",
        f"    HostKeyAlias {alias}",
        f'    UserKnownHostsFile "{_plain(str(files / "known_hosts"))}"',
        "    StrictHostKeyChecking yes",
        "    PreferredAuthentications publickey",
        "    ServerAliveInterval 30",
    ]
    if identity:
        lines += [f'    IdentityFile "{_plain(identity)}"', "    IdentitiesOnly yes"]
    return "\n".join(lines) + "\n"


def known_hosts(way: Way, alias: str) -> str:
    """The lab's keys as ssh looks for them."""
    return "".join(f"{alias} {key}\n" for key in way.host_keys)


def write(path: Path, text: str) -> None:
    """Write a file for this person's eyes only; what is there already stays untouched."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            if path.read_text() == text and not path.stat().st_mode & 0o077:
                return
        partial = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        partial.replace(path)
    except OSError as exc:
        raise Unavailable(f"{path} cannot be written: {exc.strerror}.") from exc


def read_token(path: Path) -> str:
    """The token of a file that only its person can read.

    Raises:
        InvalidRequest: others can read it, or it holds none.
    """
    try:
        with path.open() as file:
            if os.name == "posix" and os.fstat(file.fileno()).st_mode & 0o077:
                raise InvalidRequest(
                    f"others can read the token in {path}.", hint=f"chmod 600 {path}"
                )
            token = file.read(4096).strip()
    except (OSError, UnicodeDecodeError) as exc:
        why = getattr(exc, "strerror", None) or "it is not text"
        raise InvalidRequest(
            f"the token in {path} cannot be read: {why}.", hint="Run dllab ssh-config again."
        ) from exc
    if not re.fullmatch(r"[\x21-\x7e]{1,1024}", token):
        raise InvalidRequest(f"{path} holds no token.", hint="Run dllab ssh-config again.")
    return token


def carry(way: Way, url: str, token: str) -> None:
    """Carry one connection between standard input and output and the lab, to its end.

    Raises:
        Unavailable: it cannot be opened, or broke off.
    """
    from websockets.exceptions import ConnectionClosedError, InvalidHandshake, InvalidURI
    from websockets.sync.client import connect

    parts = urlsplit(url)
    secure = parts.scheme == "https"
    address = urlunsplit(("wss" if secure else "ws", parts.netloc, way.path, "", ""))
    more: dict[str, Any] = {"ssl": _trusted()} if secure else {}
    if parts.hostname in LOOPBACK:
        more["proxy"] = None
    try:
        with connect(
            address,
            additional_headers={"Authorization": f"token {token}"},
            compression=None,  # What is encrypted does not get smaller.
            max_size=None,
            open_timeout=_PATIENCE,
            **more,
        ) as socket:
            # Ends with this process: nothing wakes it while ssh is silent.
            threading.Thread(target=_send, args=(socket,), daemon=True).start()
            for piece in socket:
                _write_all(1, piece if isinstance(piece, bytes) else piece.encode())
    except (InvalidHandshake, InvalidURI, OSError, TimeoutError) as exc:
        if isinstance(exc, BrokenPipeError):
            return  # ssh has ended.
        raise Unavailable(f"the lab's SSH cannot be reached: {exc}.") from exc
    except ConnectionClosedError as exc:
        raise Unavailable("the connection to the lab broke off.", hint="Is it running?") from exc


def _trusted() -> ssl.SSLContext:
    """The authorities of this machine, as a browser has them, and those that everybody has."""
    context = httpx.create_ssl_context()
    context.load_default_certs()
    return context


def _send(socket: Any) -> None:
    from websockets.exceptions import ConnectionClosed

    with suppress(ConnectionClosed, OSError):  # The other direction says so.
        while piece := os.read(0, _PIECE):
            socket.send(piece)
    socket.close()


def _write_all(fd: int, piece: bytes) -> None:
    left = memoryview(piece)
    while left:
        left = left[os.write(fd, left) :]


def _refusal(url: str, answer: httpx.Response) -> DLLabError:
    parts = urlsplit(url)
    hub = urlunsplit((parts.scheme, parts.netloc, parts.path.partition("/user/")[0], "", ""))
    if answer.status_code in (401, 403):
        return AccessDenied(
            "the token is not accepted for this lab.",
            hint=f"Make a new one at {hub}/hub/token and run dllab ssh-config again.",
        )
    return Unavailable(
        f"the lab at {url} does not run.", hint=f"Start it at {hub}/hub/home and try again."
    )


def _plain(text: str) -> str:
    """In OpenSSH's configuration, a percent sign that is one."""
    return text.replace("%", "%%")
