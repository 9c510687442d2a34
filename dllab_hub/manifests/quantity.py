"""Quantities as Kubernetes writes them: ``250m``, ``4``, ``16Gi``, ``1e3``."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from functools import lru_cache

__all__ = ("milli", "whole")

_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))([eE][+-]?\d+|[numkMGTPE]|[KMGTPE]i)?")
_UNITS = {
    **{unit: Decimal(10) ** (3 * power) for power, unit in enumerate("num", -3)},
    **{unit: Decimal(10) ** (3 * power) for power, unit in enumerate("kMGTPE", 1)},
    **{f"{unit}i": Decimal(2) ** (10 * power) for power, unit in enumerate("KMGTPE", 1)},
}


@lru_cache(maxsize=65536)
def milli(text: str | int | float) -> int:
    """Thousandths, rounded up, as the scheduler counts CPUs.

    Raises:
        ValueError: it is no quantity.

    >>> milli("250m"), milli("2"), milli(0.1)
    (250, 2000, 100)
    """
    return math.ceil(_value(text) * 1000)


@lru_cache(maxsize=65536)
def whole(text: str | int | float) -> int:
    """A whole number, rounded up, as the scheduler counts all but CPUs.

    Raises:
        ValueError: it is no quantity.

    >>> whole("1Ki"), whole("1.5k"), whole("1e3"), whole("1n")
    (1024, 1500, 1000, 1)
    """
    return math.ceil(_value(text))


def _value(text: str | int | float) -> Decimal:
    found = _QUANTITY.fullmatch(str(text).strip())
    if found is None:
        raise ValueError(f"{text!r} is no quantity.")
    number, unit = Decimal(found[1]), found[2] or ""
    if unit[:1] in {"e", "E"} and unit != "E" and unit != "Ei":
        return number * Decimal(10) ** int(unit[1:])
    return number * _UNITS.get(unit, Decimal(1))
