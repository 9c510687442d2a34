"""The catalog: built images and what the administrator wrote into catalog.toml."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from running_hub import make_image

from dllab_hub import images
from dllab_hub.catalog import interpreter, load_catalog
from dllab_hub.errors import DLLabError, InvalidRequest, NotFound, Unavailable
from dllab_hub.specs import LabSpec, for_labs
from dllab_hub.state import StateDir


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    return StateDir(tmp_path / "state", tmp_path / "envs")


def write(state: StateDir, text: str) -> None:
    state.root.mkdir(parents=True, exist_ok=True)
    (state.root / "catalog.toml").write_text(text)


def test_nothing_built_says_what_to_run(state: StateDir) -> None:
    """A hub without any image names the command that builds one."""
    with pytest.raises(Unavailable, match="dllab env build pytorch"):
        load_catalog(state)


def test_here_is_this_python(state: StateDir) -> None:
    """Without a hub the running interpreter is on offer, and is what runs jobs."""
    catalog = load_catalog(state, here=True)

    assert [image.name for image in catalog.images] == ["here"]
    assert Path(sys.executable) == interpreter(state, "here")


def test_volumes_and_limits_are_read(state: StateDir) -> None:
    """What the administrator wrote is offered."""
    write(
        state,
        '[[volumes]]\nname = "d"\ntitle = "D"\npath = "/srv/d"\nread_only = true\n'
        "[limits]\nmax_gpus = 2\nmax_replicas = 3\n",
    )

    catalog = load_catalog(state, here=True)

    assert (catalog.volume("d").path, catalog.volume("d").read_only) == ("/srv/d", True)
    assert (catalog.max_gpus, catalog.max_replicas) == (2, 3)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("volumes = 3", "volumes"),
        ("[limit]\n", "limit: there is no such key."),
        ("[limits]\ngpus = 1\n", "limits.gpus: there is no such key."),
        ("limits = 1\n", "limits: must be a table."),
        ("[limits]\nmax_gpus = -1\n", "max_gpus"),
        ('[[volumes]]\nname = "d"\ntitle = "D"\npath = "relative"\n', "must be an absolute path"),
        ('default_image = "gone"\n', "default_image: there is no such image."),
        ('[[images]]\nname = "pytroch"\ngroups = ["staff"]\n', "images.pytroch.name: there is no"),
        ("= 3", "cannot be read"),
    ],
)
def test_a_wrong_file_is_named_with_its_field(state: StateDir, text: str, said: str) -> None:
    """The administrator reads which file and field is wrong."""
    write(state, text)

    with pytest.raises(DLLabError, match=r"catalog\.toml") as caught:
        load_catalog(state, here=True)

    assert said in str(caught.value)


def test_an_image_that_is_not_built_may_be_named(state: StateDir) -> None:
    """What the file says of it counts as soon as it is built; it is no typing error."""
    write(state, '[[images]]\nname = "pytorch"\ngroups = ["staff"]\n')

    assert ["here"] == [image.name for image in load_catalog(state, here=True).images]


def test_the_catalog_is_made_once_until_something_changes(state: StateDir) -> None:
    """Every form reads it: unchanged it is the same object, changed it is another."""
    write(state, "[limits]\nmax_gpus = 1\n")
    first = load_catalog(state, here=True)
    again = load_catalog(state, here=True)
    write(state, "[limits]\nmax_gpus = 22\n")

    assert first is again
    assert 22 == load_catalog(state, here=True).max_gpus
    assert 3 == load_catalog(state, here=True, settings={"limits": {"max_gpus": 3}}).max_gpus


def test_the_interpreter_of_no_image_is_not_found(state: StateDir) -> None:
    """An unknown image has no interpreter."""
    with pytest.raises(NotFound, match="no such image"):
        interpreter(state, "nope")


def test_an_image_that_serves_is_nobodys_lab(state: StateDir) -> None:
    """It is in no catalog, cannot be picked by name, and runs no job."""
    for name in ("pytorch", "serving"):
        make_image(state, name, Path(sys.executable))
    catalog = load_catalog(state)

    assert ("pytorch", ["pytorch"]) == (
        catalog.default_image,
        [image.name for image in catalog.images],
    )
    with pytest.raises(InvalidRequest, match=r"Choose one of: .*pytorch"):
        LabSpec(image="serving").check(catalog)
    with pytest.raises(NotFound, match=r"Choose one of: .*pytorch"):
        interpreter(state, "serving")


def test_an_image_that_serves_is_no_first_image(state: StateDir) -> None:
    """With nothing else built there is no lab."""
    make_image(state, "serving", Path(sys.executable))

    with pytest.raises(Unavailable, match="dllab env build pytorch"):
        load_catalog(state)


def test_what_serves_a_format(state: StateDir) -> None:
    """The built image that serves it, the administrator's own too; else how to build one."""
    with pytest.raises(Unavailable, match=r"no image that serves onnx.*dllab env build serving"):
        images.server_of(state, "onnx")
    source = state.root / "images" / "a-server"
    source.mkdir(parents=True)
    (source / "requirements.txt").touch()
    about = 'title = "Mine"\nframework = "f"\nversion = "1"\nserves = ["onnx", "other"]\n'
    (source / "image.toml").write_text(about)
    make_image(state, "a-server", Path(sys.executable))

    assert images.named(state, "a-server").python == images.server_of(state, "other")
    assert images.named(state, "a-server").python == images.server_of(state, "onnx")


FARM = '[[targets]]\nname = "farm"\ntitle = "GPU farm"\nkubeconfig = "/secret"\nclaim = "jobs"\n'
TORCH = (
    '[[images]]\nname = "torch"\ntitle = "PyTorch"\nframework = "pytorch"\nversion = "2.13"\n'
    'container = "registry.example.org/torch:1"\n'
)
NAS = '[[volumes]]\nname = "nas"\ntitle = "NAS"\nclaim = "nas"\nmount = "/data/nas"\n'


def test_places_are_the_usual_one_and_those_that_are_named(state: StateDir) -> None:
    """How a place is reached is not in the catalog; without any nobody is asked."""
    assert () == load_catalog(state, here=True).targets
    write(state, FARM)
    catalog = load_catalog(state, here=True)

    assert [("machine", "machine"), ("farm", "cluster")] == [
        (target.name, target.kind) for target in catalog.targets
    ]
    assert "secret" not in str(catalog.to_wire())


def test_with_a_cluster_there_are_images_and_volumes_that_only_it_has(state: StateDir) -> None:
    """Jobs there can have them, and labs here cannot."""
    write(state, FARM + TORCH + NAS)
    catalog = load_catalog(state, here=True)
    machine, farm = catalog.targets
    labs = for_labs(catalog)

    assert ["here"] == [image.name for image in catalog.images if machine.runs(image)]
    assert ["torch"] == [image.name for image in catalog.images if farm.runs(image)]
    assert (False, True) == tuple(place.has(catalog.volume("nas")) for place in (machine, farm))
    assert (["here"], (), ()) == ([each.name for each in labs.images], labs.volumes, labs.targets)


def test_an_image_that_is_not_built_runs_on_a_cluster_by_its_container(state: StateDir) -> None:
    """What its own file says of it need not be said again."""
    write(state, FARM + '[[images]]\nname = "pytorch"\ncontainer = "registry.example.org/t:1"\n')
    image = load_catalog(state, here=True).image("pytorch")

    assert ("missing", "pytorch") == (image.state, image.framework)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TORCH, "images.torch.name: there is no such image."),
        (NAS, "volumes.nas.claim: is nothing that one machine has."),
        (FARM + FARM, "targets.farm.name: is there twice."),
        (FARM.replace("farm", "machine"), "targets.machine.name: is the name of the usual place."),
        (FARM.replace('"farm"', '"Farm one"'), "targets.0.name"),
        (FARM.replace('"GPU farm"', '""'), "targets.farm.title"),
        ("targets = 3", "targets: must be a list of tables."),
        ('default_image = "torch"\n' + FARM + TORCH, "default_image: cannot be"),
    ],
)
def test_a_wrong_place_is_named(state: StateDir, text: str, said: str) -> None:
    """So is what only a place could have that there is not."""
    write(state, text)

    with pytest.raises(DLLabError, match=r"catalog\.toml") as caught:
        load_catalog(state, here=True)

    assert said in str(caught.value)
