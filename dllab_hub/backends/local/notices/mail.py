"""`send_mail`: one message through the administrator's mail server."""

from __future__ import annotations

import re
import smtplib
import ssl
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid
from pathlib import Path
from typing import TYPE_CHECKING

from ....errors import InvalidRequest
from .sending import NotSent

if TYPE_CHECKING:
    from .rules import Smtp

__all__ = ("check_address", "send_mail")

#: Of a mailbox that everybody has; quoted names and comments are nobody's.
_ADDRESS = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*"
)
#: Seconds for each thing that the server is told.
_PATIENCE = 10.0


def check_address(address: str, field: str = "email") -> str:
    """The address, when it is one.

    Raises:
        InvalidRequest: it is none, or has what could become a second header.
    """
    name, _, _ = address.partition("@")
    if len(address) > 254 or len(name) > 64 or not _ADDRESS.fullmatch(address):
        raise InvalidRequest("must be an address such as ada@example.org.", field=field)
    return address


def send_mail(smtp: Smtp, to: str, subject: str, text: str) -> None:
    """Send it. Blocks: call it in a thread.

    Args:
        smtp: The server.
        to: Address.
        subject: One line; line breaks become spaces.
        text: Plain text.

    Raises:
        NotSent: the server is not there, or refuses it.
    """
    message = EmailMessage(policy=SMTP)
    message["From"] = smtp.sender
    message["To"] = check_address(to)
    message["Subject"] = " ".join(subject.split())
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain=smtp.sender.rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text)
    try:
        password = _password(smtp)
        with smtplib.SMTP(smtp.host, smtp.port, timeout=_PATIENCE) as server:
            if smtp.starttls:
                server.starttls(context=ssl.create_default_context())
            if smtp.user:
                server.login(smtp.user, password)
            server.send_message(message, smtp.sender, [to])
    except smtplib.SMTPResponseException as exc:
        raise NotSent(f"the mail server refuses it with {exc.smtp_code}.") from exc
    except smtplib.SMTPRecipientsRefused as exc:
        raise NotSent("the mail server refuses this address.") from exc
    except ssl.SSLError as exc:
        raise NotSent("the mail server's certificate is not valid.") from exc
    except (smtplib.SMTPException, OSError, ValueError) as exc:
        raise NotSent(f"the mail server does not take it: {type(exc).__name__}.") from exc


def _password(smtp: Smtp) -> str:
    if not smtp.password_file:
        return ""
    return Path(smtp.password_file).read_text("utf-8").partition("\n")[0].rstrip("\r")
