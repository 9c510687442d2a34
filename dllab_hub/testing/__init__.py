"""Public fakes for tests of whatever stands on dllab-hub.

>>> from dllab_hub.testing import MemoryBackend
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .memory import MemoryBackend
    from .memory_serving import MemoryServing
    from .nvml import build_nvml

__all__ = ("MemoryBackend", "MemoryServing", "build_nvml")


def __getattr__(name: str) -> Any:
    # On first use: building the fake NVML needs a compiler, and nothing else here does.
    if name == "MemoryBackend":
        from .memory import MemoryBackend

        return MemoryBackend
    if name == "MemoryServing":
        from .memory_serving import MemoryServing

        return MemoryServing
    if name == "build_nvml":
        from .nvml import build_nvml

        return build_nvml
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
