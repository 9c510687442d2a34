"""What jobs say and use over time: event files, reports, samples of use; see `LocalCurves`."""

from .local import LocalCurves

__all__ = ("LocalCurves",)
