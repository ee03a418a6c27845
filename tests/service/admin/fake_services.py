"""Fakes of the services that admin-service calls: they keep accounts, profiles and appointments in dictionaries."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import httpx

from tests.running import problem_response

ASKED_BY_JOBS = ("/internal/available-appointments", "/internal/visits")
"""The paths that the jobs of the reports ask for at any time. They get no answer."""


class FakeServices:
    """auth-, doctor-, patient-, appointment-, scheduling- and notification-service.

    Hosts in `unreachable` do not get the request; those in `losing_responses` carry it out, but their response does not arrive.
    `requests` has the method, the host with the path, and the body of each request; `queries` the parameters of each list; `renamed` the
    new names of profiles, `prepared` the doctors who wait for the role of their accounts. `loses_next_response` is the host whose next
    response does not arrive. `checks_in_after_listing` is an appointment whose patient checks in right after the next list is read.
    `clinic_messages` are the messages to patients by id, `move_previews` what the calendar says about moves, by appointment.
    With `refuses_patients`, patients with new accounts were erased.
    """

    def __init__(self) -> None:
        self.accounts: dict[str, dict[str, Any]] = {}
        self.doctors: dict[str, dict[str, Any]] = {}
        self.renamed: dict[str, str] = {}
        self.prepared: dict[str, Any] = {}
        self.loses_next_response: str | None = None
        self.operations: set[str] = set()
        self.refuses_patients = False
        self.appointments: dict[str, dict[str, Any]] = {}
        self.unreachable: set[str] = set()
        self.losing_responses: set[str] = set()
        self.requests: list[tuple[str, str, Any]] = []
        self.queries: list[list[tuple[str, str]]] = []
        self.checks_in_after_listing: dict[str, Any] | None = None
        self.clinic_messages: dict[str, Any] = {}
        self.move_previews: dict[str, dict[str, Any]] = {}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        host, body = request.url.host, json.loads(request.content or b"null")
        if host in self.unreachable or request.url.path in ASKED_BY_JOBS:
            raise httpx.ConnectError("unreachable", request=request)
        self.requests.append((request.method, f"{host}{request.url.path}", body))
        is_refused = self.refuses_patients and (request.method, host) == ("PUT", "auth-service")
        response = problem_response(404, "no_such_patient") if is_refused else self._respond(host, request, body)
        if host == self.loses_next_response:
            self.loses_next_response = None
            raise httpx.ReadTimeout("response lost", request=request)
        if host in self.losing_responses:
            raise httpx.ReadTimeout("response lost", request=request)
        return response

    def add_account(self, role: str, account_id: str | None = None, email: str | None = None, **fields: Any) -> dict[str, Any]:
        """Add an account unless its id exists already; return the one that exists then."""
        account: dict[str, Any] = {
            "id": account_id or str(uuid4()),
            "email": email or f"{uuid4().hex}@clinic.test",
            "full_name": "Ada Somebody",
            "role": role,
            "status": "active",
            "locale": "en",
            "version": 1,
            "created_at": "2026-01-01T00:00:00Z",
        }
        return self.accounts.setdefault(account["id"], account | fields)

    def add_appointment(self, doctor_id: str, starts_at: str, status: str = "booked", **fields: Any) -> dict[str, Any]:
        appointment: dict[str, Any] = {
            "id": str(uuid4()),
            "doctor_id": doctor_id,
            "patient_id": str(uuid4()),
            "status": status,
            "starts_at": starts_at,
            "version": 1,
            "price": {"amount": 5000, "currency": "EUR"},
            "service": {"name": "Check-up"},
        } | fields
        self.appointments[appointment["id"]] = appointment
        return appointment

    def _respond(self, host: str, request: httpx.Request, body: Any) -> httpx.Response:
        collection, _, rest = request.url.path.removeprefix("/internal/").partition("/")
        resource_id, _, action = rest.partition("/")
        if host == "notification-service":
            self.clinic_messages[resource_id] = body
            return httpx.Response(204)
        if host == "scheduling-service":
            return httpx.Response(200, json={"items": [self._preview_move(move) for move in body["moves"]]})
        if host == "appointment-service":
            return self._respond_about_appointment(request, resource_id, action, body)
        if host == "patient-service" or (host == "doctor-service" and request.method == "PATCH"):
            self.renamed[resource_id] = body["full_name"]
            return httpx.Response(200, json={})
        if collection == "pending-doctors":
            if request.method == "PUT":
                self.prepared[resource_id] = body
            else:
                self.prepared.pop(resource_id, None)
            return httpx.Response(204)
        if host == "doctor-service":
            refusal = self._create_account(resource_id, {**body, "role": "doctor"})
            self.doctors.setdefault(resource_id, body)
            self.prepared.pop(resource_id, None)
            return refusal or httpx.Response(200, json={"id": resource_id})
        assert collection == "accounts"
        return self._respond_about_account(request, resource_id, body)

    def _respond_about_account(self, request: httpx.Request, account_id: str, body: Any) -> httpx.Response:
        if request.method == "PUT":
            return self._create_account(account_id, body) or httpx.Response(201, json=self.accounts[account_id])
        if not account_id:
            self.queries.append(list(request.url.params.multi_items()))
            return httpx.Response(200, json={"items": list(self.accounts.values()), "next": "bmV4dA"})
        if account_id not in self.accounts:
            return problem_response(404, "no_such_account")
        account = self.accounts[account_id]
        return httpx.Response(200, json=account) if request.method == "GET" else self._change_account(account, body)

    def _create_account(self, account_id: str, body: dict[str, Any]) -> httpx.Response | None:
        if any(other["email"] == body["email"] for other in self.accounts.values() if other["id"] != account_id):
            return problem_response(409, "email_taken")
        if body.get("password") == "short":
            return problem_response(422, "password_too_weak", errors=[{"pointer": "/password", "code": "password_too_weak", "detail": "x"}])
        status = "active" if body.get("password") else "invited"
        self.add_account(body["role"], account_id, body["email"], status=status, full_name=body["full_name"])
        return None

    def _change_account(self, account: dict[str, Any], body: dict[str, Any]) -> httpx.Response:
        if self._was_made(body["change_id"]):
            return httpx.Response(200, json=account)
        if body.get("expected_version", account["version"]) != account["version"]:
            return problem_response(412, "stale_version", version=account["version"])
        if account["role"] == "admin" and (body.get("status") == "disabled" or body.get("role", "admin") != "admin"):
            return problem_response(409, "last_admin")
        changes = {name: value for name, value in body.items() if name not in ("expected_version", "change_id", "by")}
        self.operations.add(body["change_id"])
        if changes != {name: account[name] for name in changes}:
            account |= {**changes, "version": account["version"] + 1}
        return httpx.Response(200, json=account)

    def _respond_about_appointment(self, request: httpx.Request, appointment_id: str, action: str, body: Any) -> httpx.Response:
        if not appointment_id:
            return self._list_appointments(request)
        if appointment_id == "lookup":
            return httpx.Response(200, json={"items": [self.appointments[key] for key in body["ids"] if key in self.appointments]})
        if appointment_id not in self.appointments:
            return problem_response(404, "no_such_appointment")
        appointment = self.appointments[appointment_id]
        if action == "cancel":
            if appointment["status"] == "checked_in":
                return problem_response(409, "illegal_move", allowed=["in_progress"])
            version = appointment["version"] + int(appointment["status"] != "cancelled")
            appointment |= {"status": "cancelled", "cancelled_by": body["by"]["id"], "version": version}
        if request.method == "PUT" and not self._was_made(body["operation_id"]):
            if body.get("expected_version", appointment["version"]) != appointment["version"]:
                return problem_response(412, "stale_version", version=appointment["version"])
            if body.get("starts_at") == "2026-03-09T09:00:00Z":
                alternative = {"doctor_id": appointment["doctor_id"], "starts_at": "2026-03-09T10:00:00Z"}
                return problem_response(409, "slot_taken", alternatives=[alternative])
            changes = {name: body[name] for name in ("starts_at", "doctor_id", "status", "reason") if name in body}
            appointment |= changes | {"version": appointment["version"] + 1}
            self.operations.add(body["operation_id"])
        return httpx.Response(200, json=appointment)

    def _preview_move(self, move: dict[str, Any]) -> dict[str, Any]:
        """Return the preview in `move_previews`, or that the move can be made."""
        starts_at = move["starts_at"] or self.appointments[move["appointment_id"]]["starts_at"]
        preview = {"appointment_id": move["appointment_id"], "doctor_id": move["doctor_id"], "starts_at": starts_at}
        return preview | self.move_previews.get(move["appointment_id"], {})

    def _was_made(self, operation_id: str) -> bool:
        return operation_id in self.operations

    def _list_appointments(self, request: httpx.Request) -> httpx.Response:
        query = request.url.params
        self.queries.append(list(query.multi_items()))
        if query.get("sort") == "colour":
            return problem_response(422, "validation_failed", errors=[{"pointer": "/sort", "code": "unknown_sort", "detail": "x"}])
        matching = [
            appointment
            for appointment in self.appointments.values()
            if all(query.get(field, appointment[field]) == appointment[field] for field in ("doctor_id", "patient_id"))
            and appointment["status"] in (query.get_list("status") or [appointment["status"]])
            and appointment["starts_at"] >= query.get("from", "")
        ]
        start = int(query.get("after", 0))
        end = start + int(query["limit"])
        response = httpx.Response(200, json={"items": matching[start:end], "next": str(end) if end < len(matching) else None})
        if self.checks_in_after_listing:
            self.checks_in_after_listing["status"] = "checked_in"
        return response
