"""What a person sees of a widget, and presses on it."""

from __future__ import annotations

import time
from collections.abc import Callable

import ipywidgets

from dllab_hub.widgets.live import Live

__all__ = ("html", "press", "until")


def html(widget: ipywidgets.Widget) -> str:
    """All text of a widget and what lies in it, as far as it is shown."""
    if getattr(widget, "layout", None) is not None and widget.layout.display == "none":
        return ""
    if isinstance(widget, ipywidgets.Box):
        return "\n".join(html(child) for child in widget.children)
    if isinstance(widget, ipywidgets.Button):
        return f"[{widget.description}{' (off)' if widget.disabled else ''}]"
    return str(widget.value)


def until(condition: Callable[[], object], seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not become true"
        time.sleep(0.01)


def press(view: Live, name: str) -> None:
    """Press the button of that name, which must be visible."""
    found = [b for b in buttons(view.widget) if b.description == name]
    assert found, f"no button {name} in {html(view.widget)}"
    assert found[0].layout.display != "none"
    found[0].click()


def buttons(widget: ipywidgets.Widget) -> list[ipywidgets.Button]:
    if isinstance(widget, ipywidgets.Button):
        return [widget]
    return [b for child in getattr(widget, "children", ()) for b in buttons(child)]
