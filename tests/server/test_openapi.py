"""The description is true: of the value classes, of the routes, of OpenAPI itself."""

from __future__ import annotations

import re

import yaml
from openapi_spec_validator import validate
from served import Host

from dllab_hub.server.openapi import FILE, document


def test_it_is_what_the_classes_say() -> None:
    """The file is what ``python -m dllab_hub.server.openapi`` writes."""
    assert document() == yaml.safe_load(FILE.read_text())


def test_it_is_openapi() -> None:
    """It follows its own standard."""
    validate(document())


def test_it_is_what_is_served(host: Host) -> None:
    """Both hosts serve the file."""
    answer = host.ask("GET", "openapi.yaml")

    assert (answer.headers["content-type"], answer.text) == ("application/yaml", FILE.read_text())


def test_it_has_every_route(host: Host) -> None:
    """Paths and methods are those of the live route table."""
    described = {
        (verb.upper(), re.sub("{[a-z]+}", "nosuch-bcdfghj", path[1:]))
        for path, verbs in document()["paths"].items()
        for verb in verbs
    }

    served = {(verb, path) for verb, path in host.patterns() if not path.startswith("http")}
    assert described == served - {(verb, "nowhere") for verb, _ in served}


def test_it_has_every_parameter(host: Host, a_job: str, a_deployment: str) -> None:
    """Parameters that are described are taken; the hint for another one lists just them."""
    for path, verbs in document()["paths"].items():
        for verb, operation in verbs.items():
            queries = [p for p in operation.get("parameters", ()) if p["in"] == "query"]
            at = path[1:].format(id=a_job, name=a_deployment, version=1, owner="ada")
            kind = next(iter(operation.get("requestBody", {}).get("content", ())), "")
            headers = {"Content-Type": kind} if kind else {}
            answer = host.ask(verb.upper(), f"{at}?bogus=1", headers=headers)
            known = re.findall(r"[a-z_]+(?=[,.])", answer.json()["error"]["hint"].split(":")[-1])
            assert sorted(known) == (sorted(p["name"] for p in queries) or ["here"])
