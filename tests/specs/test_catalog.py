"""The catalog as a person sees it, and a wish checked against it."""

from __future__ import annotations

from typing import Any

import pytest

from dllab_hub.errors import InvalidRequest
from dllab_hub.specs import Bring, Catalog, GpuType, GroupLimits, Image, LabSpec, Volume

X = {"framework": "x", "version": "1"}
CATALOG = Catalog(
    images=(
        Image(name="staff", title="Staff", groups=("staff",), **X),
        Image(name="all", title="All", **X),
    ),
    volumes=(
        Volume(name="open", title="Open", path="/srv/open"),
        Volume(name="adas", title="Ada's", path="/srv/ada", users=("ada",)),
        Volume(name="vision", title="Vision", path="/srv/vision", groups=("vision", "staff")),
    ),
    default_image="staff",
    gpu_types=(GpuType(name="big", title="Big", max_gpus=1),),
    max_gpus=2,
    max_idle=600,
    max_gpu_idle=60,
    group_limits={
        "staff": GroupLimits(max_gpus=8, max_gpu_idle=0),
        "vision": GroupLimits(max_gpus=4, max_gpus_per_user=5),
    },
)


@pytest.mark.parametrize(
    ("user", "groups", "images", "volumes", "default"),
    [
        ("grace", (), ["all"], ["open"], "all"),
        ("ada", (), ["all"], ["open", "adas"], "all"),
        ("grace", ("vision",), ["all"], ["open", "vision"], "all"),
        ("grace", ("staff", "x"), ["staff", "all"], ["open", "vision"], "staff"),
    ],
)
def test_each_sees_what_is_for_them(
    user: str, groups: tuple[str, ...], images: list[str], volumes: list[str], default: str
) -> None:
    """Images and volumes of others are not in one's catalog, nor is a default one cannot use."""
    mine = CATALOG.for_person(user, groups)

    assert (images, volumes, default) == (
        [i.name for i in mine.images], [v.name for v in mine.volumes], mine.default_image
    )  # fmt: skip
    assert not any(item.users or item.groups for item in (*mine.images, *mine.volumes))
    assert mine == mine.for_person("anybody")


def test_of_several_groups_the_most_generous_limit_counts() -> None:
    """Limits of a group replace the catalog's own; no idle limit is the most generous one."""
    both = CATALOG.for_person("grace", ("vision", "staff"))
    one = CATALOG.for_person("grace", ("vision",))

    assert (8, 5, 0, 600) == (
        both.max_gpus, both.max_gpus_per_user, both.max_gpu_idle, both.idle_limit(1)
    )  # fmt: skip
    assert (4, 60, 600) == (one.max_gpus, one.idle_limit(1), one.idle_limit(0))


def test_nothing_for_somebody_is_said() -> None:
    """Who may use no image reads whom to ask."""
    only = CATALOG.model_copy(update={"images": CATALOG.images[:1]})

    with pytest.raises(InvalidRequest, match=r"none is offered to you\. Ask the administrator"):
        only.for_person("grace")


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({"gpus": 3}, "gpus: one lab may hold 2 GPUs at most."),
        ({"gpus": 2, "gpu_type": "big"}, "gpus: one lab may hold 1 GPU at most."),
        ({"gpus": 1, "idle": 61}, "idle: must be 1 to 60 minutes."),
        ({"idle": 0}, "idle: must be 1 to 600 minutes."),
        ({"memory": 5}, "memory: labs on this machine share what there is. Leave it out."),
        ({"image": "custom", "custom": "/home/x/venv"}, "custom: this hub takes no environment"),
        ({"image": "custom"}, "custom: say which one"),
    ],
)
def test_a_wish_beyond_the_catalog_is_refused(wish: dict[str, Any], said: str) -> None:
    """Each field that asks for more than is offered is named."""
    with pytest.raises(InvalidRequest) as caught:
        LabSpec.from_wire({"image": "all", **wish}).check(CATALOG)

    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("custom", "taken"),
    [
        ("reg.example/lab/x:1", True),
        ("reg.example/lab/x:1\n", False),
        ("evil.io/reg.example/lab/x", False),
        ("lab/x", False),
        ("REG.example/lab/x", False),
    ],
)
def test_where_custom_images_may_come_from(custom: str, taken: bool) -> None:
    """The pattern must match all of the reference, and the registry be one of the list."""
    bring = Bring(images=r"(reg\.example/)?lab/.+", registries=("reg.example",))
    catalog = CATALOG.model_copy(update={"target": "cluster", "bring": bring})
    wish = LabSpec(image="custom", custom=custom)

    if taken:
        assert wish == wish.check(catalog)
    else:
        with pytest.raises(InvalidRequest, match="custom"):
            wish.check(catalog)


@pytest.mark.parametrize("path", ["venv", "/home/../etc", "/home/a\nb"])
def test_an_environment_of_ones_own_has_a_plain_path(path: str) -> None:
    """Anything but an absolute path without '..' is refused before anybody looks at the disk."""
    catalog = CATALOG.model_copy(update={"bring": Bring(environments=("~",))})

    with pytest.raises(InvalidRequest, match="custom: must be the absolute path"):
        LabSpec(image="custom", custom=path).check(catalog)


@pytest.mark.parametrize(
    ("volume", "said"),
    [
        ({}, "path: does not say where it is."),
        ({"path": "/a", "url": "s3://b"}, "url: says in more than one way"),
        ({"path": "a"}, "path: must be an absolute path"),
        ({"url": "bucket"}, "url: must look like"),
        ({"path": "/a", "options": {"x": 1}}, "options: are for a url only."),
        ({"claim": "A b"}, "claim: must be the name"),
        ({"claim": "a", "sub_path": "../b"}, "sub_path: must be a relative path"),
        ({"claim": "a", "sub_path": "/b"}, "sub_path: must be a relative path"),
        ({"nfs": "server"}, "nfs: must look like"),
        ({"csi": {"attributes": {}}}, "csi: has a driver"),
        ({"csi": {"driver": "d", "attributes": {"a": 1}}}, "csi: has a driver"),
        ({"claim": "a", "mount": "/"}, "mount: must be a plain path"),
        ({"claim": "a", "mount": "/data"}, "mount: must lie below"),
        ({"claim": "a", "mount": "/data/../etc"}, "mount: must be a plain path"),
        ({"claim": "a", "mount": "/var/run/docker.sock"}, "mount: must lie below"),
    ],
)
def test_a_volume_says_once_and_safely_where_it_is(volume: dict[str, Any], said: str) -> None:
    """A volume has one place, and appears nowhere but where data belongs."""
    with pytest.raises(InvalidRequest) as caught:
        Volume.from_wire({"name": "v", "title": "V", **volume})

    assert said in str(caught.value)


def test_the_pattern_is_no_prefix() -> None:
    """A pattern allows what it matches whole, not everything that begins like it."""
    catalog = CATALOG.model_copy(update={"target": "cluster", "bring": Bring(images="lab/x")})

    assert LabSpec(image="custom", custom="lab/x").check(catalog).custom == "lab/x"
    for custom in ("lab/x:evil", "lab/xyz", "lab/x/y"):
        with pytest.raises(InvalidRequest, match="does not allow this image"):
            LabSpec(image="custom", custom=custom).check(catalog)
