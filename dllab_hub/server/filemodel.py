"""Files as the contents interface of Jupyter Server describes them."""

from __future__ import annotations

import mimetypes
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from datetime import UTC, datetime
from typing import Any

from tornado.web import HTTPError

from .storage import Info

__all__ = ("bytes_of", "content_of", "model_of")


def model_of(path: str, info: Info, *, writable: bool) -> dict[str, Any]:
    """The model of a file or folder, without its content.

    Args:
        path: As the interface has it.
        info: What is known.
        writable: Whether it may be changed.
    """
    # Folders of a bucket have no time; for an empty one JupyterLab shows when it looked.
    when = "" if info.time is None else datetime.fromtimestamp(info.time, UTC)
    return {
        "name": path.rpartition("/")[2],
        "path": path,
        "type": "directory" if info.is_folder else "file",
        "created": when,
        "last_modified": when,
        "mimetype": None if info.is_folder else mimetypes.guess_type(path)[0],
        "size": info.size,
        "writable": writable,
        "content": None,
        "format": None,
        "hash": None,
        "hash_algorithm": None,
    }


def content_of(data: bytes, format: str | None) -> tuple[str, str]:
    """Content and its format.

    Args:
        data: Bytes of a file.
        format: ``text``, ``base64``, or None for text where it is some.

    Raises:
        HTTPError: 400: it was to be text and is none.
    """
    if format != "base64":
        try:
            return data.decode(), "text"
        except UnicodeDecodeError:
            if format == "text":
                raise HTTPError(400, "The file is not UTF-8 text.", reason="bad format") from None
    return b64encode(data).decode(), "base64"


def bytes_of(content: object, format: str | None) -> bytes:
    """The bytes that a content stands for.

    Raises:
        HTTPError: 400: it is not of its format.
    """
    try:
        if isinstance(content, str) and format == "base64":
            return b64decode(content)
        if isinstance(content, str) and format in ("text", None):
            return content.encode()
    except (NotBase64, UnicodeEncodeError):
        pass
    raise HTTPError(400, "The content is not of the format that it is said to have.")
