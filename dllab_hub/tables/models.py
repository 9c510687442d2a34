"""Published models as plain text."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ..plaintext import inert
from ..specs import ModelSource, ModelVersion
from .amounts import age, columns, cut, size

__all__ = ("model_text", "models_text")

#: Characters of where a version comes from, of what was measured; of a name that somebody chose.
_MOST, _NAME = 48, 200


def model_text(version: ModelVersion) -> str:
    """``digits:2, onnx, 1.2 MiB, from job train-bcdfghj, best.onnx; accuracy 0.98``."""
    facts = [f"{version.model}:{version.version}", version.format, size(version.size)]
    if made := _source(version.source):
        facts.append(f"from {made}")
    return "; ".join(filter(None, (", ".join(facts), _metrics(version), version.warning)))


def models_text(versions: Sequence[ModelVersion], now: float | None = None) -> str:
    """One line for each version, in the order that they are in."""
    if not versions:
        return "no models yet"
    now = time.time() if now is None else now
    rows = [("MODEL", "FORMAT", "SIZE", "AGE", "FROM", "METRICS")]
    rows += [
        (
            f"{one.model}:{one.version}",
            one.format,
            size(one.size),
            age(now - one.created),
            cut(_source(one.source) or "-", _MOST),
            cut(_metrics(one) or "-", _MOST),
        )
        for one in versions
    ]
    return columns(rows)


def _source(source: ModelSource | None) -> str:
    if source is None:
        return ""
    where = " ".join(filter(None, (source.kind, source.volume or source.job)))
    step = "" if source.step is None else f"step {source.step}"
    return ", ".join(filter(None, (where, _plain(source.path), step)))


def _metrics(version: ModelVersion) -> str:
    found = (f"{_plain(name)} {value:.4g}" for name, value in version.metrics.items())
    return ", ".join(found)


def _plain(name: str) -> str:
    """What somebody has called something: it may hold orders to a terminal, and more lines."""
    return cut(inert(name), _NAME)
