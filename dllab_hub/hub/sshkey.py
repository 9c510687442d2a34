"""Public keys as people paste them, read by OpenSSH's rules."""

from __future__ import annotations

import re

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from ..errors import InvalidRequest

__all__ = ("read_keys",)

#: What sshd accepts by default; DSA is not among it.
_TYPES = re.compile(
    r"ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)"
    r"|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com"
)
#: Bits; sshd's RequiredRSASize.
_SMALLEST_RSA = 1024
_MOST = 10
_FIX = "Paste the line in the file that ends in .pub, such as ~/.ssh/id_ed25519.pub."


def read_keys(text: str, field: str) -> str:
    """The keys one a line, without comment lines and options; an empty text stays empty.

    Args:
        text: What was pasted.
        field: Named in complaints.

    Raises:
        InvalidRequest: something is no public key that sshd would accept.
    """
    if "PRIVATE KEY" in text:
        raise InvalidRequest(
            "this is a private key: never give it to anybody.", hint=_FIX, field=field
        )
    lines = [line.strip() for line in text.replace("\r\n", "\n").split("\n")]
    keys = [line for line in lines if line and not line.startswith("#")]
    if len(keys) > _MOST:
        raise InvalidRequest(f"takes {_MOST} keys at most.", field=field)
    return "\n".join(_read(key, field) for key in keys)


def _read(line: str, field: str) -> str:
    words = line.split(None, 2)
    if len(words) < 2 or not _TYPES.fullmatch(words[0]):
        # Options such as command="..." would have to stand in front.
        raise InvalidRequest("this is no OpenSSH public key.", hint=_FIX, field=field)
    if not line.isprintable():
        raise InvalidRequest("has a character that cannot be printed.", hint=_FIX, field=field)
    try:
        key = load_ssh_public_key(f"{words[0]} {words[1]}".encode())
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidRequest(
            "this public key is damaged: perhaps a part of it is missing.", hint=_FIX, field=field
        ) from None
    if isinstance(key, RSAPublicKey) and key.key_size < _SMALLEST_RSA:
        raise InvalidRequest(
            f"this RSA key is too short: sshd asks for {_SMALLEST_RSA} bits.",
            hint="Make a new one: ssh-keygen -t ed25519",
            field=field,
        )
    return " ".join(words)
