"""`LocalNotices`: tells people of their jobs on this machine."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from ....errors import Conflict, DLLabError, InvalidRequest, StorageFull, Unavailable
from ....specs import Alert, NoticeSettings, NoticeWish, TrainingJob
from ...notices import Notices
from ..place import Place
from .administrator import ADMINISTRATOR, Administrator
from .carrying import carry
from .ledger import By, Ledger, Letter, Settings
from .mail import check_address
from .message import Seen, alert_body, body_of, kind_of, trial_body
from .rules import rules_of
from .sending import NotSent, in_daemon
from .webhook import check_url

__all__ = ("LocalNotices",)

_LOG = logging.getLogger(__name__)
_T = TypeVar("_T")
#: Seconds before each further try.
_PAUSES = (5.0, 30.0, 120.0, 600.0, 3600.0)
#: Letters under way at once, and those of one person: a receiver of theirs may be slow.
_AT_ONCE, _EACH = 8, 2
#: Letters of one person in an hour; and when what is critical is told no more either.
_MOST, _MOST_CRITICAL = 100, 300
#: Seconds between two tries to write down what was heard.
_AGAIN = 5.0


class LocalNotices(Notices):
    """Hears of every change of a job, writes down what is to be sent, and sends it.

    What was written down is sent, and tried again, also after a restart. A job that ended while
    nobody listened is told of at the next start.

    Args:
        place: Where jobs lie.
        pauses: Seconds before each further try of a letter.
    """

    def __init__(self, place: Place, pauses: Sequence[float] = _PAUSES) -> None:
        self._place = place
        self._pauses = tuple(pauses)
        self._ledger = Ledger(place.state.root / "notices")
        self._administrator = Administrator(place.state)
        self._clerk = ThreadPoolExecutor(1, "dllab-notices")  # The ledger's one thread.
        self._watched: dict[str, Seen] = {}
        self._heard: list[TrainingJob] = []
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._under_way: dict[int, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Begin to listen and to send. The store is open.

        Raises:
            StorageFull: there is no room.
            Unavailable: the state directory cannot be written.
        """
        loop = asyncio.get_running_loop()

        def hear(job: TrainingJob) -> None:
            # On the thread of decisions, which waits for nobody here.
            loop.call_soon_threadsafe(self._hear, job)

        live = await self._place.keep(self._place.store.live)
        missed = await self._write(self._open)
        self._place.store.heard.append(hear)
        self._listener = hear
        for job in (*missed, *(job for job in live if job.id not in self._watched)):
            self._hear(job)
        self._task = asyncio.create_task(self._run(), name="dllab-notices")

    async def close(self) -> None:
        """Stop. What is not sent is sent after the next start."""
        if self._task is None:
            return
        self._place.store.heard.remove(self._listener)
        task, self._task = self._task, None
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        if self._heard:
            with suppress(DLLabError):  # The store has it all: it is found at the next start.
                await self._write(self._note, self._heard)
        # A letter that is under way is not waited for: at the worst it comes twice.
        for each in self._under_way.values():
            each.cancel()
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)
        await self._write(self._ledger.close)
        self._clerk.shutdown(wait=False)

    async def settings(self, owner: str) -> NoticeSettings:
        """What a person has set, and what was sent to them of late."""
        return await self._write(self._shown, owner, None)

    async def set(self, owner: str, wish: NoticeWish) -> NoticeSettings:
        """Set it anew."""
        rules = await asyncio.to_thread(rules_of, self._place.state)
        if len(set(wish.on)) != len(wish.on):
            raise InvalidRequest("a kind is there twice.", field="on")
        if wish.webhook is not None:
            await asyncio.to_thread(check_url, wish.webhook, rules.networks)
        if wish.email is not None:
            check_address(wish.email)
            if rules.smtp is None:
                raise InvalidRequest(
                    "this lab sends no e-mail.",
                    hint="The administrator can set up a mail server.",
                    field="email",
                )
        return await self._write(self._set, owner, wish)

    async def test(self, owner: str) -> NoticeSettings:
        """Send a test now, once, by all that is set."""
        body = trial_body(time.time())
        for letter in await self._write(self._trial, owner, body):
            await self._send(letter, again=False)
        return await self.settings(owner)

    async def tell(self, alert: Alert, people: Collection[str] | None = None) -> frozenset[str]:
        """Tell them; the administrator has to be told again while it is not known where."""
        told = await self._write(self._tell, alert, people)
        self._wake.set()
        return told

    # On the clerk's thread.

    def _tell(self, alert: Alert, people: Collection[str] | None) -> frozenset[str]:
        now, told = time.time(), set[str]()
        most = _MOST_CRITICAL if alert.severity == "critical" else _MOST
        for owner in sorted({alert.owner, ADMINISTRATOR} if people is None else people):
            body = alert_body(alert, now, whose=owner == ADMINISTRATOR)
            try:
                settings = self._settings(owner)
            except DLLabError:  # The log has it, and the others are told nevertheless.
                continue
            ways = settings.ways if "alert" in settings.on else []
            if ways and self._is_too_much(owner, most):
                ways = []
            self._ledger.tell(owner, alert, ways, body)
            told.add(owner)
        return frozenset(told)

    def _settings(self, owner: str) -> Settings:
        if owner == ADMINISTRATOR:
            return self._administrator.settings()
        return self._ledger.settings(owner)

    def _is_too_much(self, owner: str, most: int) -> bool:
        """Whether somebody had so many letters in an hour; the log has it then."""
        if self._ledger.count(owner, time.time() - 3600) < most:
            return False
        _LOG.warning("%s had %d notices in an hour: no more.", owner or "the administrator", most)
        return True

    def _open(self) -> list[TrainingJob]:
        """Jobs that are otherwise than they were when somebody last listened."""
        self._ledger.open()
        known = self._ledger.watched()
        self._watched = {id: seen for id, (_, seen) in known.items()}
        found = {id: self._place.store.find(owner, id) for id, (owner, _) in known.items()}
        self._ledger.forget(id for id, job in found.items() if job is None)
        return [job for job in found.values() if job is not None]

    def _shown(self, owner: str, secret: str | None) -> NoticeSettings:
        kept = self._ledger.settings(owner)
        return NoticeSettings(
            webhook=kept.webhook,
            secret=secret,
            has_secret=kept.secret is not None,
            email=kept.email,
            on=kept.on,  # type: ignore[arg-type] # They were checked when they were set.
            can_email=rules_of(self._place.state).smtp is not None,
            deliveries=self._ledger.deliveries(owner),
        )

    def _set(self, owner: str, wish: NoticeWish) -> NoticeSettings:
        before = self._ledger.settings(owner)
        fresh = wish.secret
        if wish.webhook is not None and fresh is None and before.secret is None:
            fresh = secrets.token_urlsafe(32)
        self._ledger.set(
            owner, Settings(wish.webhook, fresh or before.secret, wish.email, tuple(wish.on))
        )
        return self._shown(owner, fresh)

    def _trial(self, owner: str, body: bytes) -> list[Letter]:
        settings = self._ledger.settings(owner)
        ways = settings.ways
        if not ways:
            raise Conflict("nothing is set.", hint="Set a webhook or an e-mail address first.")
        if self._ledger.count(owner, time.time() - 3600) >= _MOST:
            raise Conflict(f"{_MOST} notices were sent in the last hour.", hint="Try again later.")
        return [self._ledger.write(owner, "test", way, body) for way in ways]

    def _note(self, jobs: list[TrainingJob]) -> None:
        """Write down what is to be sent, and take it off the list."""
        while jobs:
            try:
                self._note_one(jobs[0])
            except (StorageFull, Unavailable):
                raise  # It stays on the list.
            except Exception:
                _LOG.exception("%s: nobody can be told of it.", jobs[0].id)
            del jobs[0]

    def _note_one(self, job: TrainingJob) -> None:
        before, now = self._watched.get(job.id), Seen.of(job)
        if now == before or (before is None and now.state.is_terminal):
            return
        kind = None if before is None else kind_of(before, job)
        ways: Sequence[By] = ()
        if kind is not None:
            settings = self._ledger.settings(job.owner)
            ways = settings.ways if kind in settings.on else ()
        if ways and self._is_too_much(job.owner, _MOST):
            ways = ()
        body = body_of(kind or "", job, time.time())
        self._ledger.hear(job.owner, job.id, now, kind or "", ways, body)
        if now.state.is_terminal:
            del self._watched[job.id]
        else:
            self._watched[job.id] = now

    # On the loop.

    def _hear(self, job: TrainingJob) -> None:
        self._heard.append(job)
        self._wake.set()

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            pause: float | None = None
            try:
                if self._heard:
                    await self._write(self._note, self._heard)
                pause = await self._post()
            except (StorageFull, Unavailable) as exc:
                _LOG.error("Notices wait: %s", exc)
                pause = _AGAIN
            except Exception:  # Whatever it is, people are to be told of what comes.
                _LOG.exception("A notice failed; the others follow.")
                pause = _AGAIN
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), pause)

    async def _post(self) -> float | None:
        """Begin to send what is due; seconds until something else is, None for never."""
        now = time.time()
        letters, following = await self._write(self._ledger.due, now, _AT_ONCE, _EACH)
        for letter in letters:
            if letter.id not in self._under_way and len(self._under_way) < _AT_ONCE:
                task = asyncio.create_task(self._deliver(letter))
                self._under_way[letter.id] = task
        return None if following is None else max(following - time.time(), 0.05)

    async def _deliver(self, letter: Letter) -> None:
        try:
            await self._send(letter, again=True)
        except (StorageFull, Unavailable) as exc:
            _LOG.error("What became of a notice cannot be written down: %s", exc)
            await asyncio.sleep(_AGAIN)
        except Exception:  # It is still due: without a pause it would be tried without end.
            _LOG.exception("A notice of %s cannot be sent now.", letter.owner)
            await asyncio.sleep(_AGAIN)
        finally:
            del self._under_way[letter.id]
            self._wake.set()

    async def _send(self, letter: Letter, *, again: bool) -> None:
        state, message, due = "sent", "", None
        try:
            settings = await self._write(self._settings, letter.owner)
            await in_daemon(carry, self._place.state, letter, settings)
        except NotSent as exc:
            state, message = "failed", exc.message
            if again and not exc.final and letter.tries < len(self._pauses):
                state, due = "retrying", time.time() + self._pauses[letter.tries]
        except DLLabError as exc:  # The administrator's rules are wrong: they may be mended.
            state, message = "failed", "the administrator's settings for notices are wrong."
            _LOG.error("A notice is not sent: %s", exc)
            if again and letter.tries < len(self._pauses):
                state, due = "retrying", time.time() + self._pauses[letter.tries]
        await self._write(self._ledger.tried, letter, state, message, due)

    async def _write(self, do: Callable[..., _T], *args: object) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._clerk, do, *args)
