"""Use cases in route signatures: wiring provides the objects, routes ask for them by type."""

from __future__ import annotations

from typing import Any

from fastapi import Depends, FastAPI, Request


def provide_use_cases(app: FastAPI, *use_cases: object) -> None:
    """Make use-case objects available to the routes of `app`, each by its class."""
    for use_case in use_cases:
        app.state.use_cases[type(use_case)] = use_case


def use_case(kind: type[object]) -> Any:
    """Return the dependency that gives a route the use-case object of class `kind`.

    Write `UseCases = Annotated[Doctors, use_case(Doctors)]` beside the routes.
    """

    async def get_use_case(request: Request) -> Any:
        return request.app.state.use_cases[kind]

    return Depends(get_use_case)
