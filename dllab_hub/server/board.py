"""TensorBoard on a unix socket, there only while somebody looks.

``python -m dllab_hub.server.board --socket PATH --logdir DIR`` is a small process that holds the
socket. With the first connection it starts TensorBoard, which takes over the listening socket and
ends after some time without requests; the next connection starts it again. A request that comes
while TensorBoard starts or ends waits in the socket, so none is lost. (jupyter-server-proxy by
itself never starts a command again that has ended with code 0, and starts it again at once, idle or
not, after any other.)

No TCP port is opened: TensorBoard's fast loader would open one, without any authentication.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn

__all__ = ("hold", "main", "serve")

_IDLE = 900.0
_RELOAD = 5.0
_PR_SET_PDEATHSIG = 1
# A kept-alive connection without requests is closed after so many seconds.
_KEEP_ALIVE = 10.0


def main(argv: list[str] | None = None) -> int:
    """Hold the socket, or with ``--fd`` be the TensorBoard behind it."""
    parser = argparse.ArgumentParser(prog="dllab_hub.server.board", description=__doc__)
    parser.add_argument("--logdir", type=Path, required=True, help="directory of event files")
    parser.add_argument("--idle", type=float, default=_IDLE, help="seconds without a request")
    parser.add_argument("--reload", type=float, default=_RELOAD, help="seconds between readings")
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--socket", type=Path, help="path to listen on")
    place.add_argument("--fd", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    _end_with_parent()
    if options.fd is not None:
        serve(options.fd, options.logdir, options.idle, options.reload)
        return 0
    command = [sys.executable, "-m", "dllab_hub.server.board", "--logdir", str(options.logdir)]
    command += ["--idle", str(options.idle), "--reload", str(options.reload)]
    return hold(options.socket, command)


def hold(path: Path, command: list[str]) -> NoReturn:
    """Listen on ``path`` for ever; while there are connections ``command`` ``--fd N`` runs."""
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(128)
        fd = listener.fileno()
        while True:
            select.select([fd], [], [])
            with subprocess.Popen([*command, "--fd", str(fd)], pass_fds=[fd]) as board:
                code = board.wait()
            if code:
                # What is waiting would start it again at once, and again.
                _refuse(listener, code)


def serve(fd: int, logdir: Path, idle: float = _IDLE, reload: float = _RELOAD) -> None:
    """Be TensorBoard for the connections of the listening socket ``fd``, until ``idle`` seconds
    have passed without a request.
    """
    import absl.logging
    from tensorboard import program

    try:
        logdir.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as exc:
        # TensorBoard looks again every few seconds: it may come to exist later.
        print(f"TensorBoard: {logdir} cannot be created: {exc.strerror}.", file=sys.stderr)
    absl.logging.set_verbosity(absl.logging.WARNING)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # Not a line for each request.
    door = _Door(fd)
    board = program.TensorBoard(server_class=door.open)
    board.configure(
        logdir=str(logdir),
        reload_interval=reload,
        reload_multifile=True,  # A job that was started again goes on in another file.
        load_fast="false",  # The fast loader is the one with the open TCP port.
        window_title="TensorBoard",
    )
    board.launch()
    door.wait(idle)


class _Door:
    """What TensorBoard takes for its HTTP server; knows when the last request was."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lock = threading.Lock()
        self._inside = 0  # Requests that are being answered.
        self._last = time.monotonic()
        self._ended = threading.Event()

    def open(self, app: Callable[..., Iterable[bytes]], flags: Any) -> _Door:
        """TensorBoard calls this where it would construct a server of its own."""
        from werkzeug.serving import WSGIRequestHandler, make_server

        # Around all of it: werkzeug does not close the application's answer when a client has gone
        # before it had read everything.
        def counted(handler: Any) -> None:
            with self._one_inside():
                WSGIRequestHandler.run_wsgi(handler)

        own = {"timeout": _KEEP_ALIVE, "run_wsgi": counted}
        handler = type("Handler", (WSGIRequestHandler,), own)
        self._server = make_server(
            "unix://tensorboard", 0, app, threaded=True, request_handler=handler, fd=self._fd
        )
        # A connection that is accepted in the last moment is answered before the process ends.
        self._server.daemon_threads = False
        return self

    def serve_forever(self) -> None:
        """Answer until `wait` ends it. TensorBoard calls this in a thread."""
        try:
            self._server.serve_forever()
        finally:
            self._ended.set()

    def get_url(self) -> str:
        """Part of what TensorBoard wants of a server."""
        return "unix://"

    def wait(self, idle: float) -> None:
        """Return when there was no request for ``idle`` seconds; from then on none is accepted."""
        while not self._ended.wait(min(1.0, idle / 4)):
            with self._lock:
                if not self._inside and time.monotonic() - self._last > idle:
                    break
        self._server.shutdown()

    @contextlib.contextmanager
    def _one_inside(self) -> Iterator[None]:
        with self._lock:
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                self._last = time.monotonic()


def _refuse(listener: socket.socket, code: int) -> None:
    """Tell everybody who waits that TensorBoard could not be started."""
    how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    body = (
        f"TensorBoard ended with {how}. The log of the Jupyter server says why. "
        "Load this page again to try once more.\n"
    ).encode()
    head = (
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    ).encode()
    while select.select([listener], [], [], 0)[0]:
        connection, _ = listener.accept()
        # Who has gone in the meantime, or never says what they want, needs no answer.
        with connection, contextlib.suppress(OSError):
            connection.settimeout(1.0)
            connection.recv(65536)
            connection.sendall(head + body)


def _end_with_parent() -> None:
    """Whoever started this process takes it along, however they end. Linux only."""
    # Ctrl-C in a terminal reaches all its processes; Jupyter asks first whether it is meant.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            sys.exit(0)  # It ended before the line above.


if __name__ == "__main__":
    sys.exit(main())
