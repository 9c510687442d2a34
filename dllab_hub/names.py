"""Names and ids that are safe as a path segment, a URL segment and a Kubernetes object name.

>>> slug("ada")
'ada'
>>> slug("Ada Lovelace")
'ada-lovelace-76740216'
"""

from __future__ import annotations

import hashlib
import re
import secrets

from .errors import InvalidRequest

__all__ = ("NAME_PATTERN", "NAME_RULE", "check_name", "new_id", "slug")

#: A DNS-1123 label of at most 40 characters: 63 less room for an id and a role suffix.
NAME_PATTERN = r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?"
#: The same as one sentence.
NAME_RULE = (
    "a name has 1 to 40 lower-case letters, digits and hyphens, "
    "and starts and ends with a letter or digit."
)
_NAME = re.compile(NAME_PATTERN)
# No vowels: an id never spells a word. No l, 0, 1: it is read aloud and typed.
_ID_ALPHABET = "bcdfghjkmnpqrstvwxz23456789"


def check_name(name: str, field: str = "name") -> str:
    """Return ``name`` unchanged when it is a valid name.

    Raises:
        InvalidRequest: it is not; the message says what a name looks like.
    """
    if not _NAME.fullmatch(name):
        raise InvalidRequest(NAME_RULE, field=field)
    return name


def new_id(name: str) -> str:
    """A fresh id that starts with ``name``: 7 random characters follow (27**7, about 10**10).

    >>> new_id("digits").startswith("digits-")
    True
    """
    return f"{check_name(name)}-" + "".join(secrets.choice(_ID_ALPHABET) for _ in range(7))


def slug(text: str, limit: int = 40) -> str:
    """A valid name made from any text; different texts never give the same slug.

    Text that is a valid name already stays as it is. Anything else gets the first eight hex digits
    of its SHA-256, so that ``Ada`` and ``ada`` do not collide (after kubespawner's ``slugs.py``).
    A valid name that looks like such a slug is hashed too, so that nobody can choose another's.
    """
    if _NAME.fullmatch(text) and len(text) <= limit and not re.search(r"-[0-9a-f]{8}\Z", text):
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    stem = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[: limit - 9].strip("-")
    return f"{stem}-{digest}" if stem else f"x-{digest}"
