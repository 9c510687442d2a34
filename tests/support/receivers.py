"""Real receivers of notices: an HTTP server and a mail server on 127.0.0.1."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import Message
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

__all__ = ("Hook", "Mailbox", "hook", "mailbox")


class Hook:
    """A webhook's receiver.

    Attributes:
        url: Where it is.
        posts: Headers and body of each POST so far.
        statuses: Of the next answers; 200 when there is none left.
        act: Called with the handler in place of an answer, when set.
    """

    def __init__(self) -> None:
        self.url = ""
        self.posts: list[tuple[dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        self.act: Callable[[Any], None] | None = None

    def until(self, count: int, seconds: float = 20) -> None:
        """Wait for so many POSTs."""
        deadline = time.monotonic() + seconds
        while len(self.posts) < count:
            assert time.monotonic() < deadline, f"{len(self.posts)} of {count} came"
            time.sleep(0.02)


@contextmanager
def hook(tls: ssl.SSLContext | None = None, port: int = 0) -> Iterator[Hook]:
    """A receiver that takes all; with ``tls`` over HTTPS."""
    made = Hook()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.posts.append((dict(self.headers.items()), body))
            if made.act is not None:
                made.act(self)
                return
            status = made.statuses.pop(0) if made.statuses else 200
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", f"{made.url}redirected")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Receiver)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    made.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}/"
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


class Mailbox:
    """What a mail server got.

    Attributes:
        port: TCP.
        letters: Sender, recipients and message of each.
        refuses: Whether it refuses every recipient.
        logins: Names and passwords that were tried.
    """

    def __init__(self) -> None:
        self.port = 0
        self.letters: list[tuple[str, list[str], Message]] = []
        self.refuses = False
        self.logins: list[tuple[str, str]] = []

    def authenticate(self, server: Any, session: Any, envelope: Any, how: str, who: Any) -> Any:
        """Remember who logs in; the password ``right`` is."""
        self.logins.append((who.login.decode(), who.password.decode()))
        return AuthResult(success=who.password == b"right")

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, to: str, _: Any) -> str:
        """Take or refuse a recipient."""
        if self.refuses:
            return "550 no such person"
        envelope.rcpt_tos.append(to)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """Take a message."""
        message = message_from_bytes(envelope.content, policy=default)
        self.letters.append((envelope.mail_from, envelope.rcpt_tos, message))
        return "250 OK"


@contextmanager
def mailbox(tls: ssl.SSLContext | None = None) -> Iterator[Mailbox]:
    """A mail server that takes all; with ``tls`` only after STARTTLS and from who logs in."""
    made = Mailbox()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        made.port = free.getsockname()[1]
    guard: dict[str, Any] = {}
    if tls is not None:
        guard = {"tls_context": tls, "require_starttls": True, "auth_required": True}
        guard["authenticator"] = made.authenticate
    server = Controller(made, hostname="127.0.0.1", port=made.port, **guard)
    server.start()
    yield made
    server.stop()
