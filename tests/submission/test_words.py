"""Numbers, times and amounts of memory from words."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable
from typing import Any

import pytest

from dllab_hub.errors import InvalidRequest
from dllab_hub.specs import Role
from dllab_hub.submission import in_words
from dllab_hub.submission.roles import read_role
from dllab_hub.submission.words import amount, memory, seconds


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (seconds, "90", 90),
        (seconds, "45s", 45),
        (seconds, "90m", 5400),
        (seconds, "2h", 7200),
        (seconds, "1.5h", 5400),
        (seconds, "1h30m", 5400),
        (seconds, "3d", 259200),
        (seconds, "none", 0),
        (memory, "4G", 4 * 2**30),
        (memory, "4g", 4 * 2**30),
        (memory, "4GiB", 4 * 2**30),
        (memory, "512M", 512 * 2**20),
        (memory, "1.5G", 1536 * 2**20),
        (memory, "1048576", 2**20),
        (amount, "0.5", 0.5),
        (read_role, "worker=4", {"name": "worker", "replicas": 4}),
        (
            read_role,
            "actor=2,gpus=1,memory=1G:python a.py --x 'two words' --y=1,2:3",
            {
                **{"name": "actor", "replicas": 2, "gpus": 1, "memory": 2**30},
                "command": ("python", "a.py", "--x", "two words", "--y=1,2:3"),
            },
        ),
    ],
)
def test_what_can_be_said(read: Callable[[str], Any], text: str, value: object) -> None:
    """Values as people write them."""
    assert value == read(text)


@pytest.mark.parametrize(
    ("read", "text", "said"),
    [
        *((seconds, text, "90m, 2h") for text in ("", "0", "-5", "2 weeks", "h", "1h30", "nan")),
        *((memory, text, "512M or 4G") for text in ("", "0", "1K", "4X", "-4G", "four")),
        *((amount, text, "above 0") for text in ("", "0", "-1", "inf", "nan", "x")),
        (read_role, "worker", "NAME=REPLICAS"),
        (read_role, "worker=0", "from 1 to 1024"),
        (read_role, "worker=1000000", "from 1 to 1024"),
        (read_role, "../x=1", "lower-case"),
        (read_role, "a=1,cpu=2", "no 'cpu' of a role; there are gpus, processes, cpus, memory"),
        (read_role, "a=1,memory=x", "memory must be an amount"),
        (read_role, "a=1:python 'x", "command cannot be read"),
    ],
)
def test_what_cannot(read: Callable[[str], Any], text: str, said: str) -> None:
    """Anything else is refused with an example of what can be said."""
    with pytest.raises(ArgumentTypeError) as caught:
        read(text)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("field", "roles", "option"),
    [
        ("time_limit", (), "--time-limit: "),
        ("env.PATH", (), "--env PATH: "),
        ("volumes.1", (), "--volumes: "),
        ("roles.0.replicas", (), "--workers: "),
        ("roles.2.replicas", ("chief", "worker", "ps"), "--ps: "),
        ("roles.2.memory", ("chief", "worker", "ps"), "--memory: "),
        ("roles.1.gpus", ("learner", "actor"), "--role: "),
        ("roles.0.cpus", ("worker",), "--cpus: "),
        ("code.args", (), "arguments after --: "),
        ("code.source", (), ""),
        ("roles", (), ""),
        ("--role", (), "--role: "),
    ],
)
def test_a_field_is_named_by_its_option(field: str, roles: tuple[str, ...], option: str) -> None:
    """People read the option that they can change, and never the path of a field."""
    error = InvalidRequest("is wrong.", hint="Do it right.", field=field)

    assert f"{option}is wrong. Do it right." == in_words(error, [Role(name=name) for name in roles])
