"""`Live`: text for everybody, and a widget that a thread keeps fresh where there is a front end."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import ipywidgets
from IPython import get_ipython

from ..errors import DLLabError
from .markup import note

__all__ = ("Live",)

_WIDGET = "application/vnd.jupyter.widget-view+json"


class Live(ABC):
    """Base of all views. Nothing runs until a front end shows the view.

    A subclass writes four methods: ``text`` (from what is known), ``_read`` (asks the service, in
    the thread), ``_build`` (makes the widgets, once) and ``_draw`` (puts values into them).
    Values are changed in place: a widget that gets an equal value sends nothing.

    Args:
        period: Seconds between two questions.
        lasts: Seconds after which a view that has no end of its own stops asking; None for never.
    """

    def __init__(self, *, period: float = 1.0, lasts: float | None = None) -> None:
        self._period = period
        self._lasts = lasts
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        self._trouble: ipywidgets.HTML
        self._box: ipywidgets.Widget | None = None

    @abstractmethod
    def text(self) -> str:
        """The view as plain text."""

    @abstractmethod
    def _read(self) -> bool:
        """Ask the service; whether there is any use in asking again."""

    @abstractmethod
    def _build(self) -> list[ipywidgets.Widget]:
        """The widgets from top to bottom."""

    @abstractmethod
    def _draw(self) -> None:
        """Put what is known into the widgets."""

    @property
    def widget(self) -> ipywidgets.Widget:
        """The widget; made, and its thread started, when first asked for."""
        if self._box is None:
            self._trouble = ipywidgets.HTML()
            self._box = ipywidgets.VBox([*self._build(), self._trouble])
            self._draw()
            self.start()
        return self._box

    def start(self) -> None:
        """Keep the view fresh from a thread of its own, also again after it had come to an end."""
        if not self.is_live and not self._closed.is_set():
            # A daemon: it never keeps a kernel from ending.
            self._thread = threading.Thread(
                target=self._run, name=f"dllab {type(self).__name__}", daemon=True
            )
            self._thread.start()

    def close(self) -> None:
        """Stop asking. What is shown stays."""
        self._closed.set()

    def join(self, timeout: float) -> None:
        """Wait, after `close`, for a question that is under way."""
        if self._thread is not None:
            self._thread.join(timeout)

    @property
    def is_live(self) -> bool:
        """Whether the thread is at work."""
        return self._thread is not None and self._thread.is_alive()

    def _run(self) -> None:
        end = None if self._lasts is None else time.monotonic() + self._lasts
        pause = self._period
        more = True
        while more and not self._closed.wait(pause):
            more, pause = self._once(pause)
            if end is not None and time.monotonic() > end:
                self._trouble.value = note(
                    f"Not updated since {time.strftime('%H:%M')}; run the cell again to go on."
                )
                return

    def _once(self, pause: float) -> tuple[bool, float]:
        """One question: whether to go on, and after how many seconds."""
        try:
            more = self._read()
        except DLLabError as exc:
            pause = min(max(pause, self._period) * 2, 30.0)
            self._trouble.value = note(
                f"{exc.message} {exc.hint} Asking again every {pause:.0f} s."
            )
            return True, pause
        self._trouble.value = ""
        self._draw()
        return more, self._period

    def _try(self, act: Callable[[], object]) -> None:
        """What a button does: an error is shown in the view, not thrown away."""
        try:
            act()
        except DLLabError as exc:
            self._trouble.value = note(f"{exc.message} {exc.hint}")

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        bundle: dict[str, Any] = {"text/plain": self.text()}
        if getattr(get_ipython(), "kernel", None) is not None:
            shown = self.widget
            bundle[_WIDGET] = {"version_major": 2, "version_minor": 0, "model_id": shown.model_id}
        return bundle

    def __repr__(self) -> str:
        return self.text()
