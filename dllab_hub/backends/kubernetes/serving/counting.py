"""`Counting`: what has gone to the replicas of a deployment, as its balancer would tell."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus

from ....specs import Traffic

__all__ = ("Counting",)

#: Seconds over which the rate is taken, and answers whose mean is the latency.
_SPAN, _LAST = 10.0, 1024


class Counting:
    """Of one deployment, since the service has it. Used on one event loop.

    Args:
        clock: Monotonic seconds.

    Attributes:
        busy: Requests that are with each replica now, by its name.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.busy: Counter[str] = Counter()
        self._clock = clock
        self._requests = self._rejected = self._failed = 0
        self._took: deque[float] = deque(maxlen=_LAST)
        self._seconds: deque[tuple[int, int]] = deque()  # Of the clock, and answers in it.
        self._began = clock()

    @contextmanager
    def asking(self, replica: str) -> Iterator[None]:
        """A request is with a replica."""
        self.busy[replica] += 1
        try:
            yield
        finally:
            self.busy[replica] -= 1
            if not self.busy[replica]:
                del self.busy[replica]

    def answered(self, status: int, seconds: float) -> None:
        """A replica has answered after so many seconds."""
        self._requests += 1
        self._rejected += 400 <= status < HTTPStatus.INTERNAL_SERVER_ERROR
        self._failed += status >= HTTPStatus.INTERNAL_SERVER_ERROR
        self._took.append(seconds)
        second = int(self._clock())
        if self._seconds and self._seconds[-1][0] == second:
            self._seconds[-1] = (second, self._seconds[-1][1] + 1)
        else:
            self._seconds.append((second, 1))
        old = self._clock() - _SPAN
        while self._seconds and self._seconds[0][0] < old:
            self._seconds.popleft()

    @property
    def traffic(self) -> Traffic:
        """Until now. Any thread may ask: it changes nothing."""
        old = self._clock() - _SPAN
        span = min(max(self._clock() - self._began, 1.0), _SPAN)
        return Traffic(
            requests=self._requests,
            rejected=self._rejected,
            failed=self._failed,
            rate=sum(count for second, count in tuple(self._seconds) if second >= old) / span,
            latency=sum(self._took) / len(self._took) if self._took else None,
            waiting=sum(tuple(self.busy.values())),
            busy=dict(self.busy),
        )
