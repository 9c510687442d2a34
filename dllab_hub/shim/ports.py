"""`Ports`: TCP ports of a gang that are free now and that no other gang chooses."""

from __future__ import annotations

import errno
import os
import socket

__all__ = ("Ports", "free_port")

_RANGE = "/proc/sys/net/ipv4/ip_local_port_range"
#: Ports below belong to well-known services.
_LOWEST = 20_000
#: Fewer than that outside the kernel's own range are no choice.
_ENOUGH = 2_000
_TRIES = 2_000


class Ports:
    """Ports of this machine, for as long as they are held.

    A port that is free is known by binding it, which must be over before the code can have it. What
    keeps other gangs away from it is a name in the kernel's own list of sockets without a file: all
    accounts of the machine see it, and it goes with this process, whatever ends it. Ports are taken
    outside the range from which the kernel serves outgoing connections, any of which might get a
    port of that range at any moment.
    """

    def __init__(self) -> None:
        self._held: list[socket.socket] = []

    def take(self, count: int) -> list[int]:
        """So many more.

        Raises:
            OSError: there are not so many.
        """
        choice = _choice()
        return [self._take_one(choice) for _ in range(count)]

    def release(self) -> None:
        """Let others have them."""
        for held in self._held:
            held.close()
        self._held.clear()

    def _take_one(self, choice: range | list[int]) -> int:
        for _ in range(_TRIES):
            port = choice[int.from_bytes(os.urandom(4)) % len(choice)]
            name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            try:
                name.bind(f"\0dllab-port-{port}")
            except OSError as exc:
                name.close()
                if exc.errno != errno.EADDRINUSE:
                    raise
                continue
            if _is_free(port):
                self._held.append(name)
                return port
            name.close()
        raise OSError(errno.EADDRINUSE, "no port of this machine is free")


def free_port() -> int:
    """A port that is free now, and that no outgoing connection will have a moment later."""
    ports = Ports()
    try:
        return ports.take(1)[0]
    finally:
        ports.release()


def _choice() -> range | list[int]:
    """Ports outside the kernel's range; all where that leaves too few."""
    everything = range(_LOWEST, 65_536)
    try:
        with open(_RANGE, encoding="ascii") as file:
            low, high = (int(word) for word in file.read().split())
    except (OSError, ValueError):
        return everything
    outside = [port for port in everything if not low <= port <= high]
    return outside if len(outside) >= _ENOUGH else everything


def _is_free(port: int) -> bool:
    """Whether nobody has the port on any address: the store of rank 0 listens on all of them."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            with socket.socket(family) as listener:
                if family == socket.AF_INET6:
                    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                listener.bind(("", port))
        except OSError as exc:
            if exc.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            if family == socket.AF_INET:  # IPv6 may be compiled in and switched off.
                raise
    return True
