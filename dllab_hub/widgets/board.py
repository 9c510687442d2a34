"""`BoardView`: this lab's TensorBoard in the notebook's page."""

from __future__ import annotations

from typing import Any

from .markup import frame, link

__all__ = ("BoardView",)


class BoardView:
    """A link, and the page itself below it; the address alone where nothing shows HTML.

    Args:
        url: Path of TensorBoard at the lab's address.
        height: Of the page, in pixels.
    """

    def __init__(self, url: str, height: int = 700) -> None:
        self.url = url
        self._height = height

    def __repr__(self) -> str:
        return f"TensorBoard is at {self.url}"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        page = frame(self.url, "TensorBoard", self._height)
        bundle = {"text/plain": repr(self)}
        if page:
            bundle["text/html"] = f"<p>{link(self.url, 'Open TensorBoard in a tab')}</p>{page}"
        return bundle
