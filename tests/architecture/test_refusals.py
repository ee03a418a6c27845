"""Every refusal of a service says what it is, and stands at the routes that may answer with it."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import pytest
from fastapi.routing import APIRoute

from shared.contracts.refusals import Refusal

SERVICES = ("auth_svc", "patient_svc", "doctor_svc", "scheduling_svc", "appointment_svc", "admin_svc")


def modules(package: str) -> Iterator[str]:
    root = importlib.import_module(package)
    yield package
    for module in pkgutil.walk_packages(root.__path__, f"{package}."):
        if ".migrations" not in module.name:
            yield module.name


def refusals_of(package: str) -> set[type[Refusal]]:
    found = (vars(importlib.import_module(name)).values() for name in modules(package))
    classes = {each for values in found for each in values if isinstance(each, type) and issubclass(each, Refusal)}
    return {each for each in classes if each.__module__.startswith(package)}


def documented_by(package: str) -> str:
    routers = importlib.import_module(f"{package}.routes").routers
    routes = [route for router in routers for route in router.routes if isinstance(route, APIRoute)]
    return "\n".join(response["description"] for route in routes for response in route.responses.values())


@pytest.mark.parametrize("package", SERVICES)
def test_every_refusal_stands_at_a_route(package: str) -> None:
    said = documented_by(package)
    assert sorted(each.code for each in refusals_of(package) if f"`{each.code}`" not in said) == []


@pytest.mark.parametrize("package", SERVICES)
def test_every_refusal_has_a_sentence_of_its_own(package: str) -> None:
    assert [each.__name__ for each in refusals_of(package) if not (each.__dict__.get("__doc__") or "").strip()] == []


@pytest.mark.parametrize("package", SERVICES)
def test_every_public_operation_has_a_summary_and_a_name_of_its_own(package: str) -> None:
    routers = importlib.import_module(f"{package}.routes").routers
    public = [route for router in routers for route in router.routes if isinstance(route, APIRoute) and route.include_in_schema]
    assert [route.path for route in public if not route.summary] == []
    assert len({route.name for route in public}) == len(public)
