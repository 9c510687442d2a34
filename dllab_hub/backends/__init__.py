"""Where jobs run. Import the backend you need from its own module."""

from .base import Backend

__all__ = ("Backend",)
