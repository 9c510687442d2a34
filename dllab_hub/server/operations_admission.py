"""What can be asked about who may ask a deployment."""

from __future__ import annotations

from http import HTTPStatus

from .operation import TEXT, Operation, object_of, page

__all__ = ("ADMISSION",)

ADMISSION: dict[str, dict[str, Operation]] = {
    "endpoints": {
        "get": Operation(
            "What you may ask, your own and others', by owner and name",
            "EndpointPage",
            query=page("endpoints"),
        )
    },
    "endpoints/{owner}/{name}": {"get": Operation("One of them", "Endpoint")},
    "deployments/{name}/access": {
        "get": Operation("Who may ask it, and the keys to it", "Access"),
        "put": Operation(
            "Have these people of the hub be able to ask it, and no others",
            "Access",
            body="Callers",
            errors=(HTTPStatus.INSUFFICIENT_STORAGE,),
        ),
    },
    "deployments/{name}/keys": {
        "post": Operation(
            "A key for a program outside the hub: it sends it as X-DLLab-Key. It is told this once",
            "NewKey",
            body="KeyWish",
            status=HTTPStatus.CREATED,
            errors=(HTTPStatus.CONFLICT, HTTPStatus.INSUFFICIENT_STORAGE),
        )
    },
    "deployments/{name}/keys/{id}": {
        "delete": Operation("Have a key open nothing any more", object_of(revoked=TEXT))
    },
}
