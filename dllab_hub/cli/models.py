"""Commands about serving: deploy, deployments, predict, scale, undeploy."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from ..client import Client
from ..deployed import Deployed, deploy_file, deploy_model
from ..errors import InvalidRequest
from ..specs import Deployment
from ..submission import name_for
from ..tables import deployment_text, deployments_text

__all__ = ("deploy", "deployments", "predict", "scale", "undeploy")


def deploy(options: argparse.Namespace, args: tuple[str, ...]) -> int:
    """``dllab deploy digits.onnx --replicas 2``."""
    client = Client()
    what: str = options.what
    if what.endswith(".onnx"):
        file = Path(what)
        name = options.name or name_for(file.stem, "model")
        deployed = deploy_file(client, file, name, options.replicas)
    else:
        deployed = deploy_model(client, what, options.name, options.replicas)
    if options.wait:
        try:
            deployed.wait(show=False)
        except TimeoutError as exc:
            print(f"dllab: {exc}", file=sys.stderr)
            return 1
    _print(options, deployed.info)
    return 0


def deployments(options: argparse.Namespace, args: tuple[str, ...]) -> int:
    """``dllab deployments``."""
    client = Client()
    found: list[Deployment] = []
    after: str | None = None
    while True:
        page = client.deployments(limit=500, after=after)
        found += page.deployments
        after = page.next
        if after is None:
            break
    if options.json:
        print(json.dumps([each.to_wire() for each in found], indent=2))
    else:
        print(deployments_text(found))
    return 0


def predict(options: argparse.Namespace, args: tuple[str, ...]) -> int:
    """``dllab predict digits rows.json``; a V1 request, an object with instances, does as well."""
    rows = _read(options.file)
    if isinstance(rows, dict) and rows.keys() == {"instances"}:
        rows = rows["instances"]
    print(json.dumps(Client().predict(options.name, rows)))
    return 0


def scale(options: argparse.Namespace, args: tuple[str, ...]) -> int:
    """``dllab scale digits 3``."""
    _print(options, Client().scale(options.name, options.replicas))
    return 0


def undeploy(options: argparse.Namespace, args: tuple[str, ...]) -> int:
    """``dllab undeploy digits``."""
    deployed = Deployed(client := Client(), client.deployment(options.name))
    if not options.yes:
        try:
            answer = input(f"Delete {deployed.name} with all its processes? [y/N] ")
        except EOFError:
            raise InvalidRequest("nobody can be asked here.", hint="Add --yes.") from None
        if answer.strip().lower() not in ("y", "yes"):
            print(f"{deployed.name} stays")
            return 1
    deployed.delete()
    print(f"{deployed.name} is being deleted; the model {deployed.info.spec.model} stays")
    return 0


def _read(file: str) -> Any:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidRequest(f"{file} is not UTF-8 text.") from None
    except OSError as exc:
        raise InvalidRequest(f"{file} cannot be read: {exc.strerror}.") from None
    try:
        return json.loads(text)
    except RecursionError:
        raise InvalidRequest(f"{file} is nested too deeply.") from None
    except ValueError as exc:
        where = "what came from stdin" if file == "-" else file
        if isinstance(exc, json.JSONDecodeError):
            raise InvalidRequest(f"{where} is not JSON: line {exc.lineno}: {exc.msg}.") from None
        raise InvalidRequest(f"{where} has a number of thousands of digits.") from None


def _print(options: argparse.Namespace, info: Deployment) -> None:
    print(json.dumps(info.to_wire(), indent=2) if options.json else deployment_text(info))
