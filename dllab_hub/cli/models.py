"""Commands about serving: from deploy to undeploy."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from ..client import Client
from ..deployed import Deployed
from ..deploying import deploy_file, deploy_model, model_file
from ..errors import InvalidRequest
from ..specs import Deployment
from ..submission import autoscale_of, canary_of, each_of, name_for, replicas_of
from ..tables import deployment_text, deployments_text

__all__ = (
    "canary",
    "deploy",
    "deployments",
    "predict",
    "promote",
    "read_json",
    "rollback",
    "scale",
    "undeploy",
)


def deploy(options: argparse.Namespace, args: tuple[str, ...]) -> int:
    """``dllab deploy digits.onnx --min 0 --max 4 --gpus 1 --batch 32``."""
    replicas, autoscale, each = replicas_of(options), autoscale_of(options), each_of(options)
    client = Client()
    what: str = options.what
    if (stem := model_file(what)) is not None:
        name = options.name or name_for(stem, "model")
        deployed = deploy_file(client, Path(what), name, replicas, autoscale, **each)
    else:
        deployed = deploy_model(client, what, options.name, replicas, autoscale, **each)
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
    """``dllab predict digits rows.json --version 2``; a V1 request, an object with instances, does
    as well as rows.
    """
    rows = read_json(options.file)
    if isinstance(rows, dict) and rows.keys() == {"instances"}:
        rows = rows["instances"]
    print(json.dumps(Client().predict(options.name, rows, version=options.version)))
    return 0


def scale(options: argparse.Namespace, args: tuple[str, ...]) -> int:
    """``dllab scale digits 3``."""
    _print(options, Client().scale(options.name, options.replicas))
    return 0


def canary(options: argparse.Namespace, args: tuple[str, ...]) -> int:
    """``dllab canary digits 2 --percent 10``."""
    wish = canary_of(options)
    _print(options, Client().canary(options.name, wish))
    return 0


def promote(options: argparse.Namespace, args: tuple[str, ...]) -> int:
    """``dllab promote digits``."""
    _print(options, Client().promote(options.name))
    return 0


def rollback(options: argparse.Namespace, args: tuple[str, ...]) -> int:
    """``dllab rollback digits``."""
    _print(options, Client().rollback(options.name))
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


def read_json(file: str) -> Any:
    """What a file holds, or with ``-`` what is typed.

    Raises:
        InvalidRequest: it cannot be read, or is not JSON.
    """
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
