"""`post`: one signed POST to an address that a person has set, and to no other place.

A person says the address and the lab's own machine sends it: what only this machine can reach must
stay out of reach. So every address that a name has is looked at, the connection goes to the one
that was looked at, and whatever answers is not followed, not read on, and not told.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import socket
import ssl
import threading
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from time import monotonic
from urllib.parse import SplitResult, urlsplit

from ...._version import __version__
from ....errors import InvalidRequest
from .sending import NotSent

__all__ = ("check_url", "post", "signature")

#: Seconds for the connection, and for all of the rest.
_PATIENCE = 10.0
#: Bytes of an answer that are read.
_ANSWER = 1024
_NETWORKS = Sequence[IPv4Network | IPv6Network]
_NAT64 = IPv6Network("64:ff9b::/96")


def check_url(url: str, allow: _NETWORKS) -> None:
    """Refuse an address that nothing will be sent to. Asks the name service: call it in a thread.

    Raises:
        InvalidRequest: naming ``webhook`` and saying why.
    """
    try:
        _places(_parts(url), allow)
    except NotSent as exc:
        raise InvalidRequest(exc.message, field="webhook") from None


def signature(secret: str, time: int, body: bytes) -> str:
    """What the header ``X-Dllab-Signature`` says.

    Args:
        secret: What sender and receiver know.
        time: Seconds since the epoch.
        body: As it is sent.
    """
    signed = hmac.new(secret.encode(), f"{time}.".encode() + body, hashlib.sha256)
    return f"t={time},v1={signed.hexdigest()}"


def post(url: str, body: bytes, secret: str, time: int, allow: _NETWORKS) -> None:
    """Send it. Blocks: call it in a thread.

    Args:
        url: Where to, http or https.
        body: JSON.
        secret: Signs it; empty: it is not signed.
        time: Seconds since the epoch.
        allow: Networks that are allowed though they are not the internet's.

    Raises:
        NotSent: it did not arrive, or was not taken with a status of 200 to 299.
    """
    parts = _parts(url)
    door = _Door(parts, _places(parts, allow))
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"dllab-hub/{__version__}",
        "Connection": "close",
    }
    if secret:
        headers["X-Dllab-Signature"] = signature(secret, time, body)
    try:
        door.connect()
        # Of what trickles, each piece would be in time.
        limit = threading.Timer(_PATIENCE, door.cut)
        limit.daemon = True
        limit.start()
        try:
            door.request("POST", target, body, headers)
            answer = door.getresponse()
            status = answer.status
            answer.read(_ANSWER)
        finally:
            limit.cancel()
    except ssl.SSLError as exc:
        raise NotSent("its certificate is not valid, or it speaks no TLS.") from exc
    except (OSError, http.client.HTTPException, ValueError) as exc:
        raise NotSent("it does not answer, or not in time, or not in HTTP.") from exc
    finally:
        door.close()
    if 300 <= status < 400:
        raise NotSent(f"it answers with {status}: somewhere else, where nothing is sent.")
    if not 200 <= status < 300:
        raise NotSent(f"it answers with {status}.")


class _Door(http.client.HTTPConnection):
    """A connection to addresses that were looked at, whatever the name has become since."""

    def __init__(self, parts: SplitResult, places: Sequence[str]) -> None:
        self._name = parts.hostname or ""
        self._tls = parts.scheme == "https"
        # Also in the header Host, which leaves out what is usual.
        self.default_port = 443 if self._tls else 80
        super().__init__(self._name, parts.port or self.default_port, timeout=_PATIENCE)
        self._places = places

    def connect(self) -> None:
        """To the first place that answers; the limit is for all of them together."""
        trouble: OSError | None = None
        give_up = monotonic() + _PATIENCE
        for place in self._places:
            try:
                left = max(give_up - monotonic(), 0.01)
                self.sock = socket.create_connection((place, self.port), left)
                break
            except OSError as exc:
                trouble = exc
            if monotonic() > give_up:
                raise TimeoutError("none answers in time") from trouble
        else:
            raise trouble or OSError("no place")
        self.sock.settimeout(_PATIENCE)
        if self._tls:
            context = ssl.create_default_context()
            self.sock = context.wrap_socket(self.sock, server_hostname=self._name)

    def cut(self) -> None:
        """End it from another thread: whoever waits for it gets an error."""
        if self.sock is not None:
            try:
                self.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # It has ended.


def _parts(url: str) -> SplitResult:
    """The parts of an address that may be one.

    Raises:
        NotSent: it is none.
    """
    printable = url.isascii() and url.isprintable() and " " not in url
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        printable, host, parts = False, None, urlsplit("")
    if not printable or parts.scheme not in ("http", "https") or not host:
        raise NotSent("must be an address such as https://hooks.example.org/x.", final=True)
    if "@" in parts.netloc:
        raise NotSent("must have no user name and no password in it.", final=True)
    if parts.fragment:
        raise NotSent("must have no part behind a #: it is sent nowhere.", final=True)
    return parts


def _places(parts: SplitResult, allow: _NETWORKS) -> list[str]:
    """Addresses of a name, all of which may be spoken to.

    Raises:
        NotSent: there is none, or one of them may not.
    """
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise NotSent(f"there is no {host[:80]}.") from None
    places = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not all(_is_open(ip_address(place.partition("%")[0]), allow) for place in places):
        raise NotSent(
            "it is an address of this machine or of a private network; the administrator has not "
            "allowed it.",
            final=True,
        )
    return places


def _is_open(address: IPv4Address | IPv6Address, allow: _NETWORKS) -> bool:
    """Whether it is an address of the internet, or of a network that is allowed."""
    meant = _meant(address)
    if any(meant in network for network in allow if network.version == meant.version):
        return True
    return meant.is_global and not meant.is_multicast


def _meant(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 address carries to somebody else; else itself."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped or address.sixtofour:
        return address.ipv4_mapped or address.sixtofour or address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.teredo[1] if address.teredo else address
