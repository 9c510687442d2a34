"""The place that tests on a cluster share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from fenced_place import Place, a_fenced_place


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    """The objects of config/kubernetes in a namespace for one test."""
    async with a_fenced_place() as made:
        yield made
