"""Every refusal of a service declares its code and sentence, and is documented at the routes that may answer with it."""

from __future__ import annotations

import importlib

import pytest
from fastapi.routing import APIRoute

from shared.contracts.refusals import Refusal
from shared.kit.problems import HttpRefusal
from tests.architecture.snapshots import refusal_classes

SERVICES = ("auth_svc", "patient_svc", "doctor_svc", "scheduling_svc", "appointment_svc", "admin_svc")


def routes_of(package: str) -> list[APIRoute]:
    """Return all routes of a service."""
    routers = importlib.import_module(f"{package}.routes").routers
    return [route for router in routers for route in router.routes if isinstance(route, APIRoute)]


def refusals_of(package: str) -> list[type[Refusal]]:
    """Return the refusal classes that a service defines."""
    return [refusal for refusal in refusal_classes() if refusal.__module__.split(".")[0] == package]


@pytest.mark.parametrize("package", SERVICES)
def test_every_refusal_is_documented_at_a_route(package: str) -> None:
    documented = "\n".join(response.get("description", "") for route in routes_of(package) for response in route.responses.values())
    assert sorted(refusal.code for refusal in refusals_of(package) if f"`{refusal.code}`" not in documented) == []


def test_every_refusal_declares_its_code_and_its_detail_itself() -> None:
    declared = [refusal for refusal in refusal_classes() if refusal is not HttpRefusal]
    incomplete = [refusal for refusal in declared if not {"code", "detail"} <= vars(refusal).keys()]
    assert [f"{refusal.__module__}.{refusal.__name__}" for refusal in incomplete] == []


def test_every_refusal_has_a_docstring_and_a_sentence_as_its_detail() -> None:
    incomplete = [
        refusal for refusal in refusal_classes() if not (vars(refusal).get("__doc__") or "").strip() or not refusal.detail.endswith(".")
    ]
    assert [f"{refusal.__module__}.{refusal.__name__}" for refusal in incomplete] == []


@pytest.mark.parametrize("package", SERVICES)
def test_every_public_operation_has_a_summary_and_a_unique_name(package: str) -> None:
    public = [route for route in routes_of(package) if route.include_in_schema]
    assert [route.path for route in public if not route.summary] == []
    assert len({route.name for route in public}) == len(public)
