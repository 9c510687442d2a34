"""`administrator`: where the administrator wants to be told of alerts."""

from __future__ import annotations

import logging
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from ....errors import DLLabError, InvalidRequest
from ....metrics.alert_settings import alert_settings
from ....state import StateDir
from .ledger import Settings
from .mail import check_address

__all__ = ("ADMINISTRATOR", "EVERYWHERE", "Administrator", "administrator")

_LOG = logging.getLogger(__name__)
#: The name under which the administrator's letters are kept; no person has it.
ADMINISTRATOR = ""
#: The administrator has named the address in a file of this machine: it may be a private one.
EVERYWHERE = (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))


def administrator(state: StateDir) -> Settings:
    """What ``catalog.toml`` says, in ``[alerts]``.

    Raises:
        DLLabError: it is wrong, or the file with the secret cannot be read; the message names it.
    """
    said = alert_settings(state)
    if said.webhook is None and said.email is None:
        return Settings(on=())
    try:
        if said.email is not None:
            check_address(said.email, field="alerts.email")
    except InvalidRequest as exc:
        raise DLLabError(f"{state.root / 'catalog.toml'} is wrong: {exc}") from exc
    secret = ""
    if said.webhook is not None and said.secret_file is not None:
        try:
            text = Path(said.secret_file).read_text("utf-8")
        except (OSError, ValueError) as exc:
            raise DLLabError(f"{said.secret_file} cannot be read: {exc}") from exc
        secret = text.partition("\n")[0].strip()
    return Settings(webhook=said.webhook, secret=secret, email=said.email, on=("alert",))


class Administrator:
    """Remembers what the administrator said, for the time in which that is wrong.

    Args:
        state: Where ``catalog.toml`` is.
    """

    def __init__(self, state: StateDir) -> None:
        self._state = state
        self._last: Settings | None = None
        self._said = ""

    def settings(self) -> Settings:
        """As `administrator`; while that is wrong, what was said before, and the log has it once.

        Raises:
            DLLabError: it is wrong, and has been since the start.
        """
        try:
            self._last, self._said = administrator(self._state), ""
        except DLLabError as exc:
            if self._said != str(exc):
                self._said = str(exc)
                _LOG.error("The administrator may not be told of alerts: %s", exc)
            if self._last is None:
                raise
        return self._last
