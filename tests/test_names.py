"""Names and ids: safe, and never two for one."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dllab_hub.errors import InvalidRequest
from dllab_hub.names import check_name, new_id, slug


@pytest.mark.parametrize("name", ["a", "0", "digits", "a-b", "x" * 40])
def test_good_names_pass(name: str) -> None:
    """A name of lower-case letters, digits and inner hyphens is returned as it is."""
    assert name == check_name(name)


@pytest.mark.parametrize(
    "name", ["", "-a", "a-", "A", "a b", "a/b", "..", "a\n", "a\0", "é", "x" * 41, "<b>"]
)
def test_bad_names_are_refused(name: str) -> None:
    """Anything else is refused with the rule, not with the input."""
    with pytest.raises(InvalidRequest, match="1 to 40 lower-case"):
        check_name(name)


@given(st.text())
def test_a_slug_is_always_a_name(text: str) -> None:
    """Any text becomes a valid name."""
    assert check_name(slug(text))


@given(st.text(max_size=12), st.text(max_size=12))
def test_two_texts_never_share_a_slug(one: str, two: str) -> None:
    """Different texts get different slugs."""
    assert (one == two) == (slug(one) == slug(two))


def test_nobody_can_choose_another_persons_slug() -> None:
    """A person named like somebody's slug gets another slug."""
    assert slug("Ada") != slug(slug("Ada"))


def test_ids_start_with_the_name_and_differ() -> None:
    """Ids are the name and seven characters that never repeat in practice."""
    ids = {new_id("digits") for _ in range(1000)}

    assert 1000 == len(ids)
    assert all(re.fullmatch(r"digits-[b-z2-9]{7}", id) for id in ids)
