"""`carry`: one letter to where its person wants it."""

from __future__ import annotations

import time

from ....state import StateDir
from .administrator import ADMINISTRATOR, EVERYWHERE
from .ledger import Letter, Settings
from .mail import send_mail
from .message import mail_of, subject_of
from .rules import rules_of
from .sending import NotSent
from .webhook import post

__all__ = ("carry",)


def carry(state: StateDir, letter: Letter, settings: Settings) -> None:
    """Send a letter. Blocks: call it in a thread.

    Args:
        state: Where the administrator's rules are.
        letter: What is sent.
        settings: Of whom it goes to.

    Raises:
        NotSent: it did not arrive.
    """
    rules = rules_of(state)
    if letter.by == "webhook":
        if settings.webhook is None or settings.secret is None:
            raise NotSent("no webhook is set any more.", final=True)
        allowed = EVERYWHERE if letter.owner == ADMINISTRATOR else rules.networks
        post(settings.webhook, letter.body, settings.secret, int(time.time()), allowed)
        return
    if settings.email is None:
        raise NotSent("no e-mail address is set any more.", final=True)
    if rules.smtp is None:
        raise NotSent("the lab has no mail server any more.", final=True)
    send_mail(rules.smtp, settings.email, subject_of(letter.body), mail_of(letter.body))
