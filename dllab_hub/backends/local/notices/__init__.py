"""Notices of this machine's jobs, by webhook and e-mail."""

from .local import LocalNotices

__all__ = ("LocalNotices",)
