"""A directory that travels with a job: `scan` it, and `upload` what is not there yet."""

from .scan import Skipped, Snapshot, is_project, scan
from .upload import send, upload

__all__ = ("Skipped", "Snapshot", "is_project", "scan", "send", "upload")
