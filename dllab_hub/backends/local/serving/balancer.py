"""`Balancer`: the HAProxy in front of the replicas of one deployment.

The process itself is somebody else's to start and to end (`command`); here it is told which
replicas there are, while it runs and for its next start. Everything blocks, for at most seconds;
one thread at a time.
"""

from __future__ import annotations

import csv
import io
import os
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ....errors import DLLabError, Unavailable
from ....specs import Traffic
from ...calls import MAX_CALL_BYTES
from .haproxy import ADMIN, POOLS, TRAFFIC, ask, binary, configuration, options, split

__all__ = ("Balancer", "Server")

#: Seconds that a rate is taken over.
_WINDOW = 10.0
#: Seconds in which the last connections to a replica are closed.
_CLOSED = 5.0
#: Rows of its counters that are no replica's.
_ENDS = ("FRONTEND", "BACKEND")


@dataclass(frozen=True)
class Server:
    """A replica as the balancer knows it.

    Attributes:
        name: Letters, digits and hyphens; never used for another replica of this deployment.
        socket: Where it listens; below the balancer's folder.
        weight: Share of the requests beside the others of its pool, 0 to 256.
        pool: Which of `POOLS` it is in.
    """

    name: str
    socket: Path
    weight: int = 100
    pool: str = POOLS[0]


class Balancer:
    """What can be asked of one HAProxy.

    Every verb but `write` and `is_up` raises `Unavailable` when it does not answer.

    Args:
        name: Of the model, which health checks ask for.
        folder: Where its two sockets and those of the replicas are.
        config: The file it starts with.
        max_body: Most bytes of a request's body.
    """

    def __init__(
        self, name: str, folder: Path, config: Path, max_body: int = MAX_CALL_BYTES
    ) -> None:
        self.name = name
        self.folder = folder
        self.config = config
        self.max_body = max_body
        #: (monotonic seconds, requests answered) of earlier looks, oldest first.
        self._looks: deque[tuple[float, int]] = deque()

    @property
    def socket(self) -> Path:
        """Where requests go; only its own user may."""
        return self.folder / TRAFFIC

    def command(self) -> list[str]:
        """What starts it, in the foreground.

        Raises:
            Unavailable: HAProxy is not installed.
        """
        return [str(binary()), "-C", str(self.folder), "-f", str(self.config), "-db"]

    def write(self, servers: Sequence[Server], others: int = 0) -> None:
        """Have these replicas at its next start.

        Args:
            servers: Of both pools.
            others: Of 100 requests, how many the second pool gets.

        Raises:
            OSError: the file could not be written; it is as it was.
        """
        lines = {
            pool: [" ".join(self._options(one)) for one in servers if one.pool == pool]
            for pool in POOLS
        }
        fd, temporary = tempfile.mkstemp(prefix=".haproxy-", dir=self.config.parent)
        try:
            with open(fd, "w") as file:
                # HAProxy may run as another user, who reads it by its path.
                os.fchmod(fd, 0o644)
                file.write(configuration(self.name, lines, self.max_body, others))
                file.flush()
                os.fsync(fd)
            os.replace(temporary, self.config)
        except OSError:
            os.unlink(temporary)
            raise

    def is_up(self) -> bool:
        """Whether it runs and answers."""
        try:
            self._ask("show version")
        except Unavailable:
            return False
        return True

    def is_current(self) -> bool:
        """Whether it was started with both pools; one of an older release was not."""
        with _understood():
            return {row["pxname"] for row in self._stat(2)} >= set(POOLS)

    def add(self, server: Server) -> None:
        """Send requests to a replica that is ready; nothing new when it gets some already."""
        name, rest = self._options(server)
        at = f"{server.pool}/{name}"
        if name not in self.servers():
            self._tell(f"add server {at} {rest}", "New server registered.")
        # All of it every time: it may have been cut short before.
        self._tell(
            f"enable health {at}; set server {at} weight {server.weight}; "
            f"set server {at} health up; set server {at} state ready"
        )

    def split(self, others: int) -> None:
        """Give the second pool so many of 100 requests from now on."""
        self._tell(split(others))

    def drain(self, name: str) -> None:
        """Send a replica no new requests; nothing when there is none of the name."""
        if at := self._at(name):
            self._tell(f"set server {at} state drain")

    def sessions(self, name: str) -> int:
        """Requests that are with a replica now; 0 when there is none of the name."""
        with _understood():
            return sum(
                int(row["scur"]) + int(row["qcur"])
                for row in self._servers()
                if row["svname"] == name
            )

    def remove(self, name: str) -> None:
        """Forget a replica; what is still with it is broken off. Nothing when there is none.

        Raises:
            DLLabError: HAProxy would not; it gets no requests any more.
        """
        at = self._at(name)
        if at is None:
            return
        end = time.monotonic() + _CLOSED
        while True:
            # Going from drain to maint closes the connections kept for later requests; those of
            # requests that end after it are kept again, so it is done until none is left.
            self._tell(
                f"set server {at} state drain; set server {at} state maint; "
                f"shutdown sessions server {at}"
            )
            said = self._ask(f"del server {at}")
            if said == "Server deleted.":
                return
            if time.monotonic() > end:
                raise DLLabError(f"the balancer does not let go of {name}: {said}")
            time.sleep(0.02)

    def servers(self) -> dict[str, str]:
        """Each replica's name and HAProxy's word for it: ``UP``, ``DOWN``, ``DRAIN``, ``MAINT``."""
        with _understood():
            return {row["svname"]: row["status"].split()[0] for row in self._servers()}

    def traffic(self) -> Traffic:
        """What went through it since it started."""
        with _understood():
            found = self._stat(7)
            rows = {row["svname"]: row for row in found}
            front = rows["FRONTEND"]
            backs = [row for row in found if row["svname"] == "BACKEND"]
            requests = _answers(front)
            answered = sum(map(_answers, backs))
            took = sum(_answers(row) * int(row["ttime"]) for row in backs) / 1000
            return Traffic(
                requests=requests,
                rejected=int(front["hrsp_4xx"]),
                failed=int(front["hrsp_5xx"]),
                rate=self._rate(requests, float(front["req_rate"])),
                latency=took / answered if answered else None,
                waiting=sum(int(row["scur"]) for row in backs),
                busy={name: int(row["scur"]) for name, row in rows.items() if name not in _ENDS},
            )

    def _rate(self, requests: int, last_second: float) -> float:
        """Requests per second since the look that was about `_WINDOW` ago."""
        now = time.monotonic()
        if self._looks and requests < self._looks[-1][1]:
            self._looks.clear()  # It was started again, and counts anew.
        self._looks.append((now, requests))
        while len(self._looks) > 1 and now - self._looks[1][0] >= _WINDOW:
            self._looks.popleft()
        since, before = self._looks[0]
        if 1 <= now - since <= 2 * _WINDOW:
            return (requests - before) / (now - since)
        return last_second  # Nobody looked for long, or just now for the first time.

    def _at(self, name: str) -> str | None:
        """What HAProxy calls a replica; None when it knows none of the name."""
        with _understood():
            return next(
                (f"{row['pxname']}/{name}" for row in self._servers() if row["svname"] == name),
                None,
            )

    def _servers(self) -> list[dict[str, str]]:
        return self._stat(4)

    def _stat(self, kinds: int) -> list[dict[str, str]]:
        said = self._ask(f"show stat -1 {kinds} -1")
        return list(csv.DictReader(io.StringIO(said.removeprefix("# "))))

    def _tell(self, command: str, expected: str = "") -> None:
        said = self._ask(command)
        if said != expected:
            raise DLLabError(f"the balancer refused {command!r}: {said or 'it said nothing'}")

    def _ask(self, command: str) -> str:
        return ask(self.folder / ADMIN, command)

    def _options(self, server: Server) -> tuple[str, str]:
        path = server.socket.relative_to(self.folder)
        return options(server.name, str(path), server.weight)


@contextmanager
def _understood() -> Iterator[None]:
    """What is no table of HAProxy's counters is as good as no answer."""
    try:
        yield
    except (LookupError, ValueError, TypeError, AttributeError, csv.Error) as exc:
        raise Unavailable(f"the balancer's answer makes no sense: {exc!r:.200}.") from exc


def _answers(row: Mapping[str, str]) -> int:
    return sum(int(row[f"hrsp_{kind}"]) for kind in ("1xx", "2xx", "3xx", "4xx", "5xx", "other"))
