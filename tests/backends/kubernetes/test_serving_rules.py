"""What rules and nodes of a real cluster keep a deployment from, as it says so itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from kubernetes_asyncio import client
from serving_place import until
from serving_reasons import cleared, renewed, says
from serving_story import MARKS, PATIENCE, Told, a_story

from dllab_hub.errors import InvalidRequest
from dllab_hub.specs import DeploymentState

pytestmark = [*MARKS, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def told(tmp_path_factory: pytest.TempPathFactory, onnx_models: Path) -> AsyncIterator[Told]:
    async with a_story(tmp_path_factory.mktemp("story"), onnx_models) as made:
        async with made.service() as place:
            await place.publish()
        yield made


async def test_pod_security(told):
    """A namespace whose rules refuse the pods says so: they are the administrator's."""
    core, name = told.namespace.core, told.namespace.name
    api = client.AdmissionregistrationV1Api(core.api_client)
    rule = {
        "metadata": {"name": f"{name}-pods"},
        "spec": {
            "matchConstraints": {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}},
                "resourceRules": [
                    {
                        "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"],
                        "resources": ["pods"],
                    }
                ],
            },
            "validations": [
                {
                    "expression": "has(object.spec.nodeName)",
                    "message": "pods come from approved images only",
                }
            ],
        },
    }  # fmt: skip
    bind = {
        "metadata": {"name": f"{name}-pods"},
        "spec": {"policyName": f"{name}-pods", "validationActions": ["Deny"]},
    }
    await api.create_validating_admission_policy(rule)
    await api.create_validating_admission_policy_binding(bind)
    try:
        async with cleared(told) as place:
            await place.deploy()
            await until(lambda: renewed(told, place, "approved images"), PATIENCE)
            now = await says(place, "approved images")
    finally:
        await api.delete_validating_admission_policy_binding(f"{name}-pods")
        await api.delete_validating_admission_policy(f"{name}-pods")

    assert DeploymentState.FAILED is now.state


async def test_a_rule_about_deployments(told):
    """What the API server would not take is refused at once, with the rule's own words."""
    core, name = told.namespace.core, told.namespace.name
    api = client.AdmissionregistrationV1Api(core.api_client)
    rule = {
        "metadata": {"name": f"{name}-works"},
        "spec": {
            "matchConstraints": {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}},
                "resourceRules": [
                    {
                        "apiGroups": ["apps"], "apiVersions": ["v1"],
                        "operations": ["CREATE", "UPDATE"], "resources": ["deployments"],
                    }
                ],
            },
            "validations": [
                {"expression": "object.spec.replicas < 2", "message": "one replica is enough"}
            ],
        },
    }  # fmt: skip
    bind = {
        "metadata": {"name": f"{name}-works"},
        "spec": {"policyName": f"{name}-works", "validationActions": ["Deny"]},
    }
    await api.create_validating_admission_policy(rule)
    await api.create_validating_admission_policy_binding(bind)
    try:
        async with cleared(told) as place:

            async def refused() -> str:
                try:
                    await place.deploy(2)
                except InvalidRequest as exc:
                    return str(exc)
                return ""

            said = await until(refused)  # A rule is known a moment after it is made.
            await place.deploy(1)
            await place.ready()
            await place.serving.scale("ada", "digits", 2)
            now = await says(place, "one replica is enough")
            answer = await place.ask()
    finally:
        await api.delete_validating_admission_policy_binding(f"{name}-works")
        await api.delete_validating_admission_policy(f"{name}-works")

    print("SAID refused:", said)
    assert "one replica is enough" in said
    assert DeploymentState.DEGRADED is now.state
    assert 200 == answer.status


async def test_no_machine_for_it(told):
    """A node that takes no pods is why it waits."""
    core = told.namespace.core
    name = told.namespace.name
    async with cleared(told) as place:
        # A rule that sends its pods elsewhere touches nobody else's node.
        api = client.AdmissionregistrationV1Api(core.api_client)
        policy = {
            "metadata": {"name": f"{name}-where"},
            "spec": {
                "matchConstraints": {
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}},
                    "resourceRules": [
                        {
                            "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"],
                            "resources": ["pods"],
                        }
                    ],
                },
                "reinvocationPolicy": "Never",
                "mutations": [
                    {
                        "patchType": "JSONPatch",
                        "jsonPatch": {
                            "expression": '[JSONPatch{op: "add", path: "/spec/nodeSelector", '
                            'value: {"pool": "none"}}]'
                        },
                    }
                ],
            },
        }  # fmt: skip
        bind = {"metadata": {"name": f"{name}-where"}, "spec": {"policyName": f"{name}-where"}}
        await api.create_mutating_admission_policy(policy)
        await api.create_mutating_admission_policy_binding(bind)
        try:
            await place.deploy()
            await until(lambda: renewed(told, place, "machine"), PATIENCE)
            now = await says(place, "machine")
        finally:
            await api.delete_mutating_admission_policy_binding(f"{name}-where")
            await api.delete_mutating_admission_policy(f"{name}-where")

    assert DeploymentState.READY is not now.state
