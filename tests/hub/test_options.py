"""One reading of what a person picked, whichever way it came in."""

from __future__ import annotations

from typing import Any

import pytest

from dllab_hub.errors import InvalidRequest
from dllab_hub.hub.options import from_form, from_query, read_options
from dllab_hub.specs import Catalog, Image, LabSpec, Volume

CATALOG = Catalog(
    images=(
        Image(name="pytorch", title="PyTorch", framework="pytorch", version="2"),
        Image(name="jax", title="JAX", framework="jax", version="1"),
    ),
    volumes=(Volume(name="data", title="Data", path="/srv"),),
    default_image="pytorch",
    max_gpus=4,
)


def test_nothing_picked_is_the_default() -> None:
    """An empty wish is a CPU lab of the default image."""
    assert LabSpec(image="pytorch") == read_options({}, CATALOG, 4)


def test_form_link_and_rest_mean_the_same() -> None:
    """Text from a form or a link reads as the numbers of a REST body."""
    wish = LabSpec(image="jax", gpus=2, volumes=("data",), tensorboard=False)
    form = {"form": ["1"], "image": ["jax"], "gpus": ["2"], "volumes": ["data"]}
    link = {"image": ["jax"], "gpus": ["2"], "volumes": ["data"], "tensorboard": ["0"]}
    hub_5 = {f"opt-{key}": value for key, value in link.items()} | {"redirects": ["1"]}

    assert wish == read_options(from_form(form), CATALOG, 4)
    assert wish == read_options(from_query(link), CATALOG, 4)
    assert wish == read_options(from_query(hub_5), CATALOG, 4)
    assert wish == read_options(wish.to_wire(), CATALOG, 4)
    assert wish == read_options({"user_options": wish.to_wire()}, CATALOG, 4)


def test_a_key_without_ssh_is_in_nobodys_way() -> None:
    """With SSH unticked its field is hidden: what was typed there is kept when it is a key."""
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHYPX3egS+29abeT/+/tNfnrEAX5+Utc0CgHce54B0+K me"
    form = {"form": ["en"], "image": ["a"]}

    assert "ssh_key" not in from_form({**form, "ssh_key": ["ssh-ed25519 AAAA half"]})
    assert "ssh_key" not in from_form({**form, "ssh_key": ["-----BEGIN RSA PRIVATE KEY-----"]})
    assert key == from_form({**form, "ssh_key": [key]})["ssh_key"]
    assert "half" in from_form({**form, "ssh": ["on"], "ssh_key": ["half"]})["ssh_key"]


def test_an_unticked_box_is_no() -> None:
    """A form that leaves TensorBoard out means none; a REST body that leaves it out does not."""
    assert not read_options(from_form({"form": ["1"]}), CATALOG, 0).tensorboard
    assert read_options(from_form({"form": ["1"], "tensorboard": ["on"]}), CATALOG, 0).tensorboard
    assert read_options({"image": "jax"}, CATALOG, 0).tensorboard


BAD: list[tuple[Any, int, str]] = [
    ({"gpus": "-1"}, 4, "gpus: must be 0 or more."),
    ({"gpus": -1}, 4, "gpus: must be 0 or more."),
    ({"gpus": "1.5"}, 4, "gpus: must be a whole number"),
    ({"gpus": 1.5}, 4, "gpus: should be a valid integer"),
    ({"gpus": True}, 4, "gpus: should be a valid integer"),
    ({"gpus": ""}, 4, "gpus: must be a whole number"),
    ({"gpus": "\uff12"}, 4, "gpus: must be a whole number"),
    ({"gpus": "9" * 5000}, 4, "gpus: must be a whole number"),
    ({"gpus": 10**30}, 4, "gpus: this machine has 4 GPUs."),
    ({"gpus": "5"}, 4, "gpus: this machine has 4 GPUs. Choose from 0 to 4."),
    ({"gpus": "2"}, 1, "gpus: this machine has one GPU."),
    ({"gpus": 1}, 0, "gpus: this machine has no NVIDIA GPU. Choose 0"),
    ({"gpus": 5}, 8, "gpus: one lab may hold 4 GPUs at most."),
    ({"gpus": None}, 4, "gpus:"),
    ({"gpus": ["1", "2"]}, 4, "gpus: takes one value"),
    ({"image": "nope"}, 0, "image: there is no such image. Choose one of: pytorch, jax."),
    ({"image": "../../etc"}, 0, "image: there is no such image. Choose one of"),
    ({"image": ["pytorch"]}, 0, "image: takes one value"),
    ({"image": {"a": 1}}, 0, "image:"),
    ({"image": None}, 0, "image:"),
    ({"volumes": ["nope"]}, 0, "volumes: there is no such volume. Choose from: data."),
    ({"volumes": "data"}, 0, "volumes:"),
    ({"volumes": ["data", "data"]}, 0, "a volume is named twice"),
    ({"volumes": [3]}, 0, "volumes.0:"),
    ({"tensorboard": "maybe"}, 0, "tensorboard: must be on or off."),
    ({"tensorboard": 1}, 0, "tensorboard:"),
    ({"gpu": 1}, 0, "gpu: there is no such key. Did you mean gpus?"),
    ({"command": "rm"}, 0, "command: there is no such key. Known keys: image, custom, gpus"),
    ({"user_options": {"x": 1}}, 0, "x: there is no such key."),
    ([], 0, "JSON object"),
    (None, 0, "JSON object"),
]


@pytest.mark.parametrize(("options", "gpus", "said"), BAD, ids=[str(b[0])[:40] for b in BAD])
def test_what_cannot_work_names_the_field_and_the_fix(options: Any, gpus: int, said: str) -> None:
    """Every wrong wish is one sentence about one field."""
    with pytest.raises(InvalidRequest) as caught:
        read_options(options, CATALOG, gpus)

    assert said in str(caught.value)
