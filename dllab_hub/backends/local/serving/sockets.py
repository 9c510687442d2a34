"""Where replicas and balancers listen: a directory of the account for each deployment.

Whoever may write there can put anything in the place of a socket, a link to a root's one too. So
nothing is said to a socket before the kernel has told whose process listens on it (`is_of`).
"""

from __future__ import annotations

import os
import shutil
import socket
import stat
import struct
import threading
import time
from contextlib import suppress
from pathlib import Path

from ....errors import Unavailable
from ....state import StateDir
from ..account import Account

__all__ = ("answers", "is_of", "make_folder", "remove_folder")

#: Nobody makes a directory in one that somebody else removes because it is empty.
_ROOT = threading.Lock()
_PEER = struct.Struct("3i")  # struct ucred: pid, uid, gid.


def make_folder(state: StateDir, id: str, account: Account) -> Path:
    """The directory of a deployment's sockets, made when it is not there.

    Raises:
        Unavailable: the directory above it belongs to somebody else.
        OSError: it cannot be made.
    """
    root = state.sockets
    folder = root / id
    with _ROOT:
        with suppress(FileExistsError):
            root.mkdir(mode=0o711, parents=True)
            root.chmod(0o711)
        about = root.lstat()
        if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.geteuid() or about.st_mode & 0o022:
            raise Unavailable(
                f"{root}, where the lab's sockets lie, belongs to somebody else.",
                hint="Choose a shorter DLLAB_HOME, or remove it.",
            )
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
    if folder.lstat().st_uid != account.uid:
        os.chown(folder, account.uid, account.gid, follow_symlinks=False)
    return folder


def remove_folder(state: StateDir, id: str) -> None:
    """Delete the directory of a deployment's sockets."""
    shutil.rmtree(state.sockets / id, ignore_errors=True)
    with _ROOT, suppress(OSError):
        state.sockets.rmdir()  # When it was the last.


def is_of(sock: socket.socket, uid: int) -> bool:
    """Whether the process that listens at the other end of a unix socket is this user's."""
    peer = _PEER.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
    return bool(peer[1] == uid)


def answers(path: Path, target: str, uid: int, seconds: float = 1.0) -> bool:
    """Whether ``GET target`` at a socket of this user is answered with 200 in time."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            end = time.monotonic() + seconds
            sock.settimeout(seconds)
            sock.connect(str(path))
            if not is_of(sock, uid):
                return False
            request = f"GET {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
            sock.sendall(request.encode())
            line = b""
            while b"\n" not in line and len(line) < 1024 and (piece := sock.recv(1024)):
                line += piece
                sock.settimeout(max(end - time.monotonic(), 0.001))  # For all of them together.
    except OSError:
        return False
    return line.startswith((b"HTTP/1.1 200", b"HTTP/1.0 200"))
