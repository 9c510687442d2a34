"""Why an image does not come: what its registry says, in words."""

from __future__ import annotations

import re

from ..specs import Cause, Diagnosis, Remedy
from .lines import lines
from .wish import Wish

__all__ = ("PULLING", "is_pull", "of_pull")

#: What a container waits for while its image is not there.
PULLING = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "RegistryUnavailable",
        "ImageInspectError",
        "InvalidImageName",
        "ErrImageNeverPull",
        "SignatureValidationFailed",
    }
)
#: How container runtimes and registries put it, what to say of it, and whether asking again helps.
#: The most telling first: a runtime wraps what the registry said in words of its own.
_MISSING, _CLOSED, _ODD, _NOW = "missing", "closed", "odd", "now"
_SAYINGS: tuple[tuple[re.Pattern[str], str, str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), kind, words)
    for pattern, kind, words in (
        (r"manifest[ _]unknown", _MISSING, "manifest unknown"),
        (r"name[ _]unknown", _MISSING, "name unknown"),
        (r"no match(ing manifest)? for (platform|linux)", _MISSING, "no match for platform"),
        (r"toomanyrequests|too many requests|rate limit", _NOW, "too many requests"),
        (r"pull access denied", _CLOSED, "pull access denied"),
        (r"unauthorized|no basic auth|authentication", _CLOSED, "unauthorized"),
        (r"authorization failed|insufficient_scope", _CLOSED, "authorization failed"),
        (r"denied|forbidden", _CLOSED, "access denied"),
        (r"invalid ?image ?name|couldn't parse image|invalid reference", _MISSING, ""),
        (r"signature validation", _ODD, "its signature is not valid"),
        (r"never ?pull|pull policy of never", _ODD, "it may not be downloaded here"),
        (r"no such host|server misbehaving", _NOW, "its name is not known"),
        (r"x509|certificate", _NOW, "its certificate is not trusted"),
        (r"gave http response to https", _NOW, "it speaks no HTTPS"),
        (r"i/o timeout|deadline exceeded|timed out|handshake timeout", _NOW, "it does not answer"),
        (r"connection refused|connection reset|no route to host", _NOW, "it does not answer"),
        (r"registry is unavailable|unexpected eof|\b50[0-9]\b", _NOW, "it is out of order"),
        (r"not found|does not exist", _MISSING, "not found"),
    )
)


def is_pull(reason: str, text: str) -> bool:
    """Whether an event says why an image does not come.

    The kubelet repeats it as ``Error: ErrImagePull``, without the why.
    """
    lower = text.lower()
    return reason == "Failed" and "image" in lower and not lower.startswith("error: ")


def of_pull(text: str, wish: Wish) -> Diagnosis:
    """Why it does not come.

    Args:
        text: What the kubelet says, of one try or of several.
        wish: Whose image it is.
    """
    if "no space left on device" in text.lower():
        return Diagnosis(
            cause=Cause.DISK_FULL,
            message="The machine has no room for the image.",
            hint="It is tried again; the administrator can free space.",
            remedies=(Remedy.WAIT, Remedy.CANCEL),
            log=lines(text),
        )
    kind, words = next(
        ((kind, words) for sign, kind, words in _SAYINGS if sign.search(text)), (_NOW, "")
    )
    final = kind != _NOW
    theirs = "Check the image's name and tag, and that it is public."
    hint = theirs if wish.own_image else "Pick another image, and tell the administrator."
    return Diagnosis(
        cause=Cause.IMAGE_PULL,
        message=_message(kind, words),
        hint=hint if final else "",
        final=final,
        remedies=wish.ends if final else (Remedy.WAIT, Remedy.CANCEL),
        log=lines(text),
    )


def _message(kind: str, words: str) -> str:
    said = f" It says: {words}." if words else ""
    if kind == _MISSING:
        return f"There is no such image in its registry.{said}"
    if kind == _CLOSED:
        return f"The registry does not let the cluster have this image.{said}"
    if kind == _ODD:
        return f"The machine does not take this image: {words}."
    about = f" The registry: {words}." if words else ""
    return f"The image cannot be downloaded now; it is tried again.{about}"
