"""`Rules`: what the administrator says of notices.

In ``catalog.toml``; every part is optional::

    [notices]
    allow = ["10.0.0.0/8", "127.0.0.1"]   # private addresses that webhooks may go to

    [notices.smtp]                        # without it there is no e-mail
    host = "mail.example.org"
    port = 587
    from = "lab@example.org"
    starttls = true
    user = "lab"
    password_file = "/etc/dllab/smtp-password"
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from ....errors import DLLabError, InvalidRequest
from ....settings import only, read
from ....specs.wire import Value
from ....state import StateDir
from .mail import check_address

__all__ = ("Rules", "Smtp", "rules_of")


class Smtp(Value):
    """The administrator's mail server.

    Attributes:
        host: Name or address.
        port: TCP port.
        sender: Address that mail comes from.
        starttls: Whether the connection is encrypted before anything is said; the certificate of
            the server is checked.
        user: Name to log in with; empty: nobody logs in.
        password_file: Absolute path of a file whose first line is the password.
    """

    host: str = Field(min_length=1, max_length=255)
    port: int = Field(default=587, ge=1, le=65535)
    sender: str
    starttls: bool = True
    user: str = ""
    password_file: str = ""

    @model_validator(mode="after")
    def _check(self) -> Smtp:
        check_address(self.sender, field="from")
        if bool(self.user) != bool(self.password_file):
            raise InvalidRequest("user and password_file belong together.", field="user")
        if self.password_file and not Path(self.password_file).is_absolute():
            raise InvalidRequest("must be an absolute path.", field="password_file")
        return self


class Rules(Value):
    """What may be sent, and how.

    Attributes:
        allow: Networks and addresses beside those of the internet that webhooks may go to.
        smtp: None: nobody is told by e-mail.
    """

    allow: tuple[str, ...] = Field(default=(), max_length=100)
    smtp: Smtp | None = None

    @model_validator(mode="after")
    def _check(self) -> Rules:
        for text in self.allow:
            try:
                ip_network(text)
            except ValueError:
                raise InvalidRequest(
                    f"{text[:60]!r} is no address and no network.", field="allow"
                ) from None
        return self

    @property
    def networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """What `allow` says."""
        return tuple(ip_network(text) for text in self.allow)


def rules_of(state: StateDir) -> Rules:
    """The rules in ``catalog.toml``; a small file, and an unchanged one is not read again.

    Raises:
        DLLabError: they are wrong; the message names the file and the key.
    """
    path = state.root / "catalog.toml"
    table: Any = read(path).get("notices", {})
    field = "notices"
    try:
        only(set(Rules.model_fields), table, field)
        made = dict(table)
        if "smtp" in made:
            known = {"from" if name == "sender" else name for name in Smtp.model_fields}
            only(known, made["smtp"], "notices.smtp")
            made["smtp"] = {"sender" if k == "from" else k: v for k, v in made["smtp"].items()}
        return Rules.from_wire(made)
    except InvalidRequest as exc:
        where = exc.field.replace("sender", "from")
        where = where if where.startswith(field) else f"{field}.{where}"
        raise DLLabError(
            f"{path} is wrong: {InvalidRequest(exc.message, hint=exc.hint, field=where)}",
            hint="The administrator can fix it. Nothing is sent until then.",
        ) from exc
