"""The places that tests on a cluster share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from fenced_place import Place, a_fenced_place
from fenced_serving import until_fenced


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    """The objects of config/kubernetes in namespaces for one test."""
    async with a_fenced_place() as made:
        yield made


@pytest.fixture
async def serving(place: Place) -> Place:
    """The same, once the policy of models that are served holds too."""
    await until_fenced(place)
    return place
