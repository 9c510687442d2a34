"""What a training becomes on a cluster: pure, told by examples, and checked against schemas."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from crds import CRDS, crd_validator
from fake_cluster import CATALOG, a_spawner, pod_of
from hypothesis import given, settings
from hypothesis import strategies as st
from trainings import CLUSTER, ID, WISHES

from dllab_hub.backends.kubernetes.maker import Maker
from dllab_hub.catalog import assemble
from dllab_hub.errors import InvalidRequest
from dllab_hub.manifests.cluster import Cluster
from dllab_hub.manifests.gang import set_name
from dllab_hub.manifests.training import jobset
from dllab_hub.names import new_id, slug
from dllab_hub.specs import Catalog, Code, JobState, Role, TrainingJob, TrainingSpec

OFFERED = assemble(CATALOG, (), "cluster").for_person("ada")
GOLDEN = Path(__file__).parent / "golden"
#: Keys of volumes here. "restricted" admits them all but NFS: a catalog that offers that is for a
#: namespace that allows it.
_VOLUMES = {"name", "persistentVolumeClaim", "emptyDir", "csi", "nfs"}
#: What a person may type.
_TEXTS = st.sampled_from(["$(HOME)", "$$(HOME)", "$"]) | st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40
)


def made(
    spec: TrainingSpec, cluster: Cluster = CLUSTER, catalog: Catalog = OFFERED, **more: Any
) -> Any:
    return jobset(ID, "Ada@example.org", spec, catalog, cluster, **more)


def pods(made: dict[str, Any]) -> list[dict[str, Any]]:
    """The pods' specs, by role."""
    return [role["template"]["spec"]["template"]["spec"] for role in made["spec"]["replicatedJobs"]]


@pytest.mark.parametrize("name", WISHES)
def test_a_wish_is_this_jobset(name: str) -> None:
    """The whole object is as it was looked at once; Kubernetes' own schemas accept its Jobs."""
    found = made(WISHES[name])

    assert yaml.safe_load((GOLDEN / f"jobset-{name}.yaml").read_text()) == found
    for role in found["spec"]["replicatedJobs"]:
        job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "one"}}
        for version in ("1.32", "1.37"):
            kubernetes_validate.validate({**job, **role["template"]}, version, strict=True)


@pytest.mark.skipif(not CRDS, reason="DLLAB_CRD_DIR names no directory of CRDs")
@pytest.mark.parametrize("name", WISHES)
def test_the_jobset_schema_accepts_it(name: str) -> None:
    """JobSet's own schema knows every field there is, and each is of its type."""
    kind = crd_validator("jobset.x-k8s.io_jobsets")

    kind.validate(made(WISHES[name]))
    wrong = copy.deepcopy(made(WISHES[name]))
    wrong["spec"]["failurePolicy"]["maxRestart"] = 1
    with pytest.raises(jsonschema.ValidationError, match="maxRestart"):
        kind.validate(wrong)


def test_the_chief_ends_parameter_servers() -> None:
    """It is over when the chief has succeeded; elsewhere when all have."""
    assert ["chief"] == made(WISHES["ps"])["spec"]["successPolicy"]["targetReplicatedJobs"]
    assert "successPolicy" not in made(WISHES["allreduce"])["spec"]


def test_a_failure_is_one_of_the_whole_gang() -> None:
    """No Job tries again alone: the JobSet recreates all, as often as was asked for."""
    found = made(WISHES["ps"])["spec"]

    assert {"maxRestarts": 3, "restartStrategy": "BlockingRecreate"} == found["failurePolicy"]
    assert [0, 0, 0] == [
        role["template"]["spec"]["backoffLimit"] for role in found["replicatedJobs"]
    ]
    assert {"Never"} == {pod["restartPolicy"] for pod in pods(made(WISHES["ps"]))}


def test_kueue_lets_it_go() -> None:
    """With a queue it begins suspended and carries the queue's label; without one it starts."""
    waits = made(WISHES["single"], CLUSTER.model_copy(update={"queue": "team"}))

    assert waits["spec"]["suspend"]
    assert "team" == waits["metadata"]["labels"]["kueue.x-k8s.io/queue-name"]
    starts = made(WISHES["single"])
    assert not starts["spec"]["suspend"]
    assert "kueue.x-k8s.io/queue-name" not in starts["metadata"]["labels"]


def test_a_job_has_its_own_directories_and_no_others() -> None:
    """The claim is mounted twice, each time a directory of this job; the code runs in one."""
    (pod,) = pods(made(WISHES["single"]))
    mounts = [one for one in pod["containers"][0]["volumeMounts"] if one["name"] == "run"]

    assert {
        "/dllab/run": f"jobs/{ID}/run",
        "/dllab/tensorboard": f"tensorboard/{slug('Ada@example.org')}/{ID}",
    } == {one["mountPath"]: one["subPath"] for one in mounts}
    assert "/dllab/run/workspace" == pod["containers"][0]["workingDir"]
    assert "initContainers" not in pod


def test_volumes_leave_nothing_in_the_workspace() -> None:
    """They are mounted elsewhere, so that no directory of root is made in it; links lead there."""
    (pod,) = pods(made(WISHES["allreduce"]))
    offered = json.loads(env_of(pod)["DLLAB_VOLUMES"])

    assert "/dllab/volumes/data/team" == offered["team"]["path"]
    assert "/data/sets" == offered["sets"]["path"]
    assert "s3://bucket/x" == offered["remote"]["url"]
    paths = [one["mountPath"] for one in pod["containers"][0]["volumeMounts"]]
    assert {"/dllab/volumes/data/team", "/data/sets"} < set(paths)
    assert not [path for path in paths if path.startswith("/dllab/run/")]


@pytest.mark.parametrize("owner", ["ada", "Ada@example.org", "0ada", "a" * 60, "Ada" * 30, "../x"])
async def test_a_volume_is_one_place_in_labs_and_jobs(
    owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a person has put into their directory of a claim, their job finds there."""
    lab = await pod_of(a_spawner(monkeypatch, user=owner), {"volumes": ["team"]})
    nobody: Any = None
    maker = Maker(nobody, nobody, nobody, CLUSTER, lambda: OFFERED)
    spec = WISHES["single"].model_copy(update={"volumes": ("team",)})
    job = TrainingJob(id=ID, owner=owner, spec=spec, state=JobState.PENDING, created=0.0)
    (mine,) = pods(maker.manifest(job, 1))

    def place(pod: dict[str, Any]) -> str:
        (found,) = (
            one["subPath"]
            for one in pod["containers"][0]["volumeMounts"]
            if one["name"] == "data-team"
        )
        return str(found)

    assert place(lab["spec"]) == place(mine)
    assert place(mine).startswith("homes/")


def test_words_of_a_person_are_none_of_the_containers() -> None:
    """Their variables have a name of their own until the launcher starts the code with them."""
    spec = WISHES["single"].model_copy(update={"env": {"PYTHONINSPECT": "1", "TMPDIR": "/x"}})
    (pod,) = pods(made(spec))

    found = env_of(pod)
    assert not {"PYTHONINSPECT", "TMPDIR"} & set(found)
    assert ("1", "/x") == (found["DLLAB_ENV_PYTHONINSPECT"], found["DLLAB_ENV_TMPDIR"])


@pytest.mark.parametrize("policy", ["", "Never"])
def test_the_administrator_says_when_images_are_pulled(policy: str) -> None:
    """Without a word it is left to Kubernetes."""
    (pod,) = pods(made(WISHES["single"], Cluster(claim="jobs", pull_policy=policy)))

    assert policy == pod["containers"][0].get("imagePullPolicy", "")


def test_attempts_are_counted_over_launches() -> None:
    """Each launch says the number of its first attempt: to the code, and to who reads objects."""
    found = made(WISHES["ps"], first_attempt=4)

    templates = [role["template"]["spec"]["template"] for role in found["spec"]["replicatedJobs"]]
    notes = [one["metadata"]["annotations"] for one in (found, *templates)]
    assert ["4"] * 4 == [one["dllab-hub/first-attempt"] for one in notes]
    assert {"4"} == {env_of(pod)["DLLAB_FIRST_ATTEMPT"] for pod in pods(found)}


def test_the_code_has_less_time_to_end_than_its_pod() -> None:
    """What is left is for the launcher, which writes down how it ended."""
    (pod,) = pods(made(WISHES["single"]))

    assert float(env_of(pod)["DLLAB_GRACE"]) == pod["terminationGracePeriodSeconds"] - 10


def test_a_time_limit_has_a_second_fence() -> None:
    """A pod is ended some time after its limit even when nobody looks; without one it never is."""
    limited = WISHES["single"].model_copy(update={"time_limit": 3600})

    assert [4500] == [pod["activeDeadlineSeconds"] for pod in pods(made(limited))]
    assert "activeDeadlineSeconds" not in pods(made(WISHES["single"]))[0]


def env_of(pod: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one.get("value", "") for one in pod["containers"][0]["env"]}


def test_names_fit() -> None:
    """The longest names and the most replicas make pod names that Kubernetes takes."""
    roles = tuple(Role(name="r" * 39 + str(n), replicas=1024) for n in range(2))
    spec = TrainingSpec(
        name="3" * 40, image="torch", code=Code(source="1"), strategy="custom", roles=roles
    )
    id = new_id(spec.name)
    found = jobset(id, "ada", spec, OFFERED, CLUSTER)

    assert set_name(id) == found["metadata"]["name"]
    names = {role["name"] for role in found["spec"]["replicatedJobs"]}
    assert 2 == len(names)
    assert all(len(f"{set_name(id)}-{name}-0-1023-abcde") <= 63 for name in names)
    assert found["metadata"]["name"][0].isalpha()


def test_mig_is_another_resource() -> None:
    """Where the catalog's GPUs are parts of one, those are asked for."""
    catalog = OFFERED.model_copy(update={"gpu_types": (OFFERED.gpu_type("mig"),)})
    pod = pods(made(WISHES["allreduce"], catalog=catalog))[0]

    assert "2" == pod["containers"][0]["resources"]["limits"]["nvidia.com/mig-1g.10gb"]


def test_any_gpu_will_do() -> None:
    """A job is not bound to the nodes of one type, and tolerates what all of them ask.

    A node that is lost is tolerated for seconds only, with GPUs and without.
    """
    pod = pods(made(WISHES["allreduce"]))[0]

    assert "nodeSelector" not in pod
    gpus, *lost = pod["tolerations"]
    assert {"key": "nvidia.com/gpu", "operator": "Exists"} == gpus
    assert pods(made(WISHES["single"]))[0]["tolerations"] == lost
    assert {"node.kubernetes.io/not-ready": 30, "node.kubernetes.io/unreachable": 5} == {
        one["key"]: one["tolerationSeconds"] for one in lost
    }


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"lab": "ada"}, "lab"),
        ({"image": "none"}, "image"),
    ],
)
def test_what_a_cluster_cannot_do(change: dict[str, Any], field: str) -> None:
    """It is refused with the name of the field before anything is created."""
    bare = OFFERED.images[0].model_copy(update={"name": "none", "container": ""})
    catalog = OFFERED.model_copy(update={"images": (*OFFERED.images, bare)})

    with pytest.raises(InvalidRequest) as refused:
        made(WISHES["single"].model_copy(update=change), catalog=catalog)
    assert field == refused.value.field


@settings(max_examples=300, deadline=None)
@given(
    args=st.lists(_TEXTS, max_size=4),
    env=st.dictionaries(st.from_regex(r"[A-Z]{3,8}X", fullmatch=True), _TEXTS, max_size=4),
    strategy=st.sampled_from(["single", "allreduce"]),
    replicas=st.integers(1, 1024),
    gpus=st.integers(0, 8),
    volumes=st.sets(st.sampled_from([volume.name for volume in OFFERED.volumes])),
    owner=_TEXTS,
)
def test_no_wish_leaves_the_policy(
    args: list[str],
    env: dict[str, str],
    strategy: Any,
    replicas: int,
    gpus: int,
    volumes: set[str],
    owner: str,
) -> None:
    """Whatever is typed: no root, no token of the cluster, no path of the node, literal words."""
    role = Role(replicas=1 if strategy == "single" else replicas, gpus=gpus, processes=1)
    spec = TrainingSpec(
        name="x", image="torch", code=Code(source="1", args=tuple(args)), strategy=strategy,
        roles=(role,), env=env, volumes=tuple(volumes),
    )  # fmt: skip
    found = jobset(new_id("x"), owner, spec, OFFERED, CLUSTER)

    (pod,) = pods(found)
    assert pod["automountServiceAccountToken"] is False
    assert {"runAsNonRoot", "runAsUser"} <= set(pod["securityContext"])
    assert not {"hostNetwork", "hostPID", "hostIPC", "serviceAccountName"} & set(pod)
    assert all("hostPath" not in source for source in pod["volumes"])
    assert {key for source in pod["volumes"] for key in source} <= _VOLUMES
    for container in pod["containers"]:
        security = container["securityContext"]
        assert {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}} == security
        for one in container["env"]:
            if one["name"] == "DLLAB_RESTARTS":
                continue
            assert "valueFrom" not in one
            assert "$(" not in one["value"].replace("$$", "")
        assert all("$(" not in word.replace("$$", "") for word in container["command"])
