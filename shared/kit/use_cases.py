"""Use cases in route signatures: wiring provides the objects, and a route names the class that it needs."""

from __future__ import annotations

from typing import Any

from fastapi import Depends, FastAPI

from shared.kit.requests import RequestDependency, ServiceRequest


def provide_use_cases(app: FastAPI, *use_cases: object) -> None:
    """Make use-case objects available to the routes of `app`, each by its class."""
    for use_case in use_cases:
        app.state.use_cases[type(use_case)] = use_case


class UseCaseDependency(RequestDependency):
    """A dependency that returns the use-case object of class `kind`."""

    def __init__(self, kind: type[object]) -> None:
        self.kind = kind

    def resolve(self, request: ServiceRequest) -> Any:
        return request.app.state.use_cases[self.kind]


def use_case(kind: type[object]) -> Any:
    """Return the dependency that gives a route the use-case object of class `kind`.

    Write `UseCases = Annotated[Doctors, use_case(Doctors)]` beside the routes.
    """

    return Depends(UseCaseDependency(kind))
