"""What KubeSpawner's settings become for one wish: pure, told by examples."""

from __future__ import annotations

from typing import Any

import pytest
from fake_cluster import CATALOG

from dllab_hub.catalog import assemble
from dllab_hub.errors import InvalidRequest
from dllab_hub.manifests.environment import escape, lab_environment, offered_volumes
from dllab_hub.manifests.lab import SETTINGS, pod_settings
from dllab_hub.specs import LabSpec

OFFERED = assemble(CATALOG, (), "cluster").for_person("ada")
#: What an administrator has configured beside the catalog: nothing.
NOTHING: dict[str, Any] = {
    "image": "jupyterhub/singleuser",
    "cpu_limit": None,
    "cpu_guarantee": None,
    "mem_limit": None,
    "mem_guarantee": None,
    "extra_resource_limits": {},
    "extra_resource_guarantees": {},
    "node_selector": {},
    "tolerations": [],
    "volumes": [],
    "volume_mounts": [],
    "init_containers": [],
    "extra_labels": {},
    "extra_container_config": {},
    "security": {},
    "environment": {},
}
SHM = {"name": "shared-memory", "emptyDir": {"medium": "Memory"}}
SHM_MOUNT = {"name": "shared-memory", "mountPath": "/dev/shm"}


def settings(spec: LabSpec, **configured: Any) -> dict[str, Any]:
    return pod_settings(spec, OFFERED, {**NOTHING, **configured}, "/home/lab", "ada")


def test_a_small_lab_on_the_cpu() -> None:
    """Only the image differs from what was configured, and shared memory is large."""
    assert {
        **{name: NOTHING[name] for name in SETTINGS},
        "image": "registry.example.org/lab/jax:0.9",
        "volumes": [SHM],
        "volume_mounts": [SHM_MOUNT],
        "extra_labels": {"dllab-hub/image": "jax", "dllab-hub/gpus": "0"},
        "extra_container_config": {"terminationMessagePolicy": "FallbackToLogsOnError"},
    } == settings(LabSpec(image="jax"))


def test_gpus_of_a_type() -> None:
    """The type says which resource, nodes and taints; memory and CPUs are what was picked."""
    made = settings(
        LabSpec(image="torch", gpus=2, gpu_type="mig", cpus=8, memory=64 << 30),
        node_selector={"pool": "labs"},
    )

    assert {"nvidia.com/mig-1g.10gb": "2"} == made["extra_resource_limits"]
    assert made["extra_resource_limits"] == made["extra_resource_guarantees"]
    assert {"pool": "labs", "gpu": "mig"} == made["node_selector"]
    assert (8, 8, 64 << 30, 64 << 30) == (
        made["cpu_limit"], made["cpu_guarantee"], made["mem_limit"], made["mem_guarantee"]
    )  # fmt: skip


def test_any_gpu_goes_wherever_there_is_one() -> None:
    """Without a type no node is excluded, and the taints of all nodes with GPUs are tolerated."""
    made = settings(LabSpec(image="torch", gpus=1))

    assert {"nvidia.com/gpu": "1"} == made["extra_resource_limits"]
    assert {} == made["node_selector"]
    assert [{"key": "nvidia.com/gpu", "operator": "Exists"}] == made["tolerations"]


def test_no_gpu_means_none() -> None:
    """GPUs that the administrator gives to every pod are not for a lab that asked for none."""
    made = settings(
        LabSpec(image="torch"),
        extra_resource_limits={"nvidia.com/gpu": "1", "example.org/fpga": "1"},
        extra_resource_guarantees={"nvidia.com/mig-1g.10gb": "1"},
    )

    assert {"example.org/fpga": "1"} == made["extra_resource_limits"]
    assert {} == made["extra_resource_guarantees"]
    assert (
        "void" == lab_environment(LabSpec(image="torch"), OFFERED, "/h")["NVIDIA_VISIBLE_DEVICES"]
    )


def test_each_kind_of_volume() -> None:
    """Claims, NFS and CSI are mounted where the catalog says, and read only where it says so."""
    made = settings(LabSpec(image="torch", volumes=("team", "sets", "nas", "bucket", "remote")))

    assert [
        SHM,
        {"name": "data-team", "persistentVolumeClaim": {"claimName": "team"}},
        {"name": "data-sets", "persistentVolumeClaim": {"claimName": "sets", "readOnly": True}},
        {"name": "data-nas", "nfs": {"server": "10.0.0.5", "path": "/export", "readOnly": True}},
        {
            "name": "data-bucket",
            "csi": {"driver": "s3.csi.example.org", "volumeAttributes": {"bucket": "b"}},
        },
    ] == made["volumes"]
    assert [
        SHM_MOUNT,
        {"name": "data-team", "mountPath": "/home/lab/data/team", "subPath": "homes/ada"},
        {"name": "data-sets", "mountPath": "/data/sets", "readOnly": True},
        {"name": "data-nas", "mountPath": "/home/lab/data/nas", "readOnly": True},
        {"name": "data-bucket", "mountPath": "/home/lab/data/bucket"},
    ] == made["volume_mounts"]


def test_programs_are_told_where_volumes_are() -> None:
    """What is mounted has a path; what is read through fsspec has a URL and options."""
    found = offered_volumes(("sets", "remote"), OFFERED, "/home/lab")

    assert {
        "sets": {"title": "Sets", "read_only": True, "place": "/data/sets", "path": "/data/sets"},
        "remote": {
            "title": "Remote",
            "read_only": False,
            "place": "data/remote",
            "url": "s3://bucket/x",
            "options": {"endpoint_url": "http://s3.example.org"},
        },
    } == found


def test_what_was_configured_stays() -> None:
    """Volumes of the administrator come first, also as a dictionary, and shm is theirs if set."""
    made = settings(
        LabSpec(image="torch"),
        volumes={"2": {"name": "b"}, "1": {"name": "a"}},
        volume_mounts={"1": {"name": "a", "mountPath": "/dev/shm"}},
    )

    assert ([{"name": "a"}, {"name": "b"}], [{"name": "a", "mountPath": "/dev/shm"}]) == (
        made["volumes"], made["volume_mounts"]
    )  # fmt: skip


def test_two_volumes_at_one_place_are_refused() -> None:
    """Kubernetes would refuse the pod; the person reads which place it is."""
    with pytest.raises(
        InvalidRequest, match=r"volumes: more than one would appear at /data/sets\."
    ):
        settings(
            LabSpec(image="torch", volumes=("sets",)),
            volume_mounts=[{"name": "home", "mountPath": "/data/sets/"}],
        )


def test_packages_are_installed_before_the_lab_starts() -> None:
    """An init container of the lab's image installs into a place that the lab keeps or shares."""
    spec = LabSpec(image="torch", requirements=("rich>=13", "numpy"), memory=8 << 30)
    top = "/home/lab/.local/share/dllab-hub/overlays/torch"

    kept = settings(spec, volume_mounts=[{"name": "home", "mountPath": "/home/lab"}])
    lost = settings(spec, environment={"PIP_INDEX_URL": "https://i.example.org", "X": "y"})
    (container,) = kept["init_containers"]
    variables = {entry["name"]: entry["value"] for entry in lost["init_containers"][0]["env"]}

    assert kept["image"] == container["image"]
    assert {"memory": str(8 << 30)} == container["resources"]["limits"]
    assert ["home", "shared-memory"] == [m["name"] for m in container["volumeMounts"]]
    assert {"name": "overlay", "mountPath": top} in lost["volume_mounts"]
    assert {"name": "overlay", "emptyDir": {}} in lost["volumes"]
    assert ("rich>=13\nnumpy", top) == (
        variables["DLLAB_REQUIREMENTS"], variables["PYTHONUSERBASE"]
    )  # fmt: skip
    assert "https://i.example.org" == variables["PIP_INDEX_URL"]
    assert "X" not in variables


def test_the_environment_is_the_choice() -> None:
    """The idle limit is resolved, and the key is there only with SSH."""
    with_ssh = LabSpec(image="torch", gpus=1, ssh=True, ssh_key="ssh-ed25519 AAAA ada")
    found = lab_environment(with_ssh, OFFERED, "/home/lab")
    plain = lab_environment(LabSpec(image="torch", idle=30, tensorboard=False), OFFERED, "/h")

    assert ("120", "1", "ssh-ed25519 AAAA ada") == (
        found["DLLAB_IDLE"], found["DLLAB_SSH"], found["DLLAB_SSH_KEY"]
    )  # fmt: skip
    assert "AAAA" not in found["DLLAB_LAB"]
    assert ("30", "0", "0") == (
        plain["DLLAB_IDLE"], plain["DLLAB_SSH"], plain["DLLAB_TENSORBOARD"]
    )  # fmt: skip
    assert "DLLAB_SSH_KEY" not in plain


@pytest.mark.parametrize("text", ["$(HOME)", "$$(X)", "cost: $5", "a$", "$$$", ""])
def test_kubernetes_leaves_escaped_text_alone(text: str) -> None:
    """What a person wrote is no reference to another variable."""
    said = escape(text)
    # After expansion.go: two dollars are one, and $(NAME) would be a reference.
    read, index = "", 0
    while index < len(said):
        assert "$(" != said[index : index + 2]
        index += said[index : index + 2] == "$$"
        read += said[index]
        index += 1

    assert text == read
