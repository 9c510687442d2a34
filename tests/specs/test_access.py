"""Who may ask a deployment, as values."""

from __future__ import annotations

import pytest

from dllab_hub.errors import InvalidRequest
from dllab_hub.specs import Callers, KeyWish


def test_only_the_owner_at_first():
    """Nothing said, nobody else may ask."""
    assert ("owner", ()) == (Callers().who, Callers().groups)


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"who": "groups"}, "groups"),
        ({"who": "everyone", "groups": ["vision"]}, "groups"),
        ({"who": "world"}, "who"),
        ({"who": "groups", "groups": ["a\nb"]}, "groups.0"),
        ({"who": "groups", "groups": [""]}, "groups.0"),
        ({"who": "groups", "groups": ["x" * 256]}, "groups.0"),
        ({"who": "groups", "groups": ["g"] * 51}, "groups"),
        ({"anyone": True}, "anyone"),
    ],
)
def test_callers_that_are_none(wish, field):
    """What says nothing that can be done is refused, with the field."""
    with pytest.raises(InvalidRequest) as caught:
        Callers.from_wire(wish)
    assert field == caught.value.field


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({}, "title"),
        ({"title": ""}, "title"),
        ({"title": "a\x00b"}, "title"),
        ({"title": "x" * 81}, "title"),
        ({"title": "shop", "lifetime": 59}, "lifetime"),
        ({"title": "shop", "lifetime": -1}, "lifetime"),
        ({"title": "shop", "lifetime": 1e12}, "lifetime"),
        ({"title": "shop", "lifetime": "1d"}, "lifetime"),
    ],
)
def test_wishes_for_keys_that_are_none(wish, field):
    """A key has a title, and lives for a minute at least, if not for ever."""
    with pytest.raises(InvalidRequest) as caught:
        KeyWish.from_wire(wish)
    assert field == caught.value.field
