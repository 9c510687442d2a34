"""`type_command`: JupyterLab's command palette, as a person opens it."""

from __future__ import annotations

from playwright.sync_api import Error, Page

__all__ = ("type_command",)


def type_command(page: Page, text: str) -> None:
    """Open the palette and type; again when a tab that is still opening takes the focus away."""
    field = page.locator(".lm-CommandPalette-input")
    for _ in range(10):
        if not field.is_visible():
            page.keyboard.press("Control+Shift+C")
        try:
            field.fill(text, timeout=1000)
            page.wait_for_timeout(300)
            if field.is_visible() and field.input_value() == text:
                return
        except Error:
            continue
    raise AssertionError("the command palette does not stay open")
