"""The neighbours of admin-service, played: accounts, profiles and appointments in dictionaries."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from tests.running import RunningService, run_service


def problem(status: int, code: str, **facts: Any) -> httpx.Response:
    body = {"status": status, "code": code, "title": code, "detail": code, **facts}
    return httpx.Response(status, json=body, headers={"content-type": "application/problem+json"})


class Clinic:
    """`down` are hosts that do not answer; `deaf` ones do what is asked and their answer is lost; `asked` is what was asked of whom.

    `moves_on` is an appointment whose patient arrives after the next list is read."""

    def __init__(self) -> None:
        self.accounts: dict[str, dict[str, Any]] = {}
        self.doctors: dict[str, dict[str, Any]] = {}
        self.names: dict[str, str] = {}
        self.appointments: dict[str, dict[str, Any]] = {}
        self.down: set[str] = set()
        self.deaf: set[str] = set()
        self.asked: list[tuple[str, str, Any]] = []
        self.queries: list[list[tuple[str, str]]] = []
        self.moves_on: dict[str, Any] | None = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        host, body = request.url.host, json.loads(request.content or b"null")
        if host in self.down:
            raise httpx.ConnectError("down", request=request)
        self.asked.append((request.method, f"{host}{request.url.path}", body))
        answer = self._answer(host, request, body)
        if host in self.deaf:
            raise httpx.ReadTimeout("lost", request=request)
        return answer

    def _answer(self, host: str, request: httpx.Request, body: Any) -> httpx.Response:
        kind, _, rest = request.url.path.removeprefix("/internal/").partition("/")
        key, _, verb = rest.partition("/")
        if host == "appointment-service":
            return self._appointment(request, key, verb, body)
        if host == "patient-service" or (host == "doctor-service" and request.method == "PATCH"):
            self.names[key] = body["full_name"]
            return httpx.Response(200, json={})
        if host == "doctor-service":
            refused = self._made(key, {**body, "role": "doctor"})
            self.doctors.setdefault(key, body)
            return refused or httpx.Response(200, json={"id": key})
        assert kind == "accounts"
        return self._account(request, key, body)

    def _account(self, request: httpx.Request, key: str, body: Any) -> httpx.Response:
        if request.method == "PUT":
            return self._made(key, body) or httpx.Response(201, json=self.accounts[key])
        if not key:
            self.queries.append(list(request.url.params.multi_items()))
            return httpx.Response(200, json={"items": list(self.accounts.values()), "next": "bmV4dA"})
        if key not in self.accounts:
            return problem(404, "no_such_account")
        return httpx.Response(200, json=self.accounts[key]) if request.method == "GET" else self._changed(self.accounts[key], body)

    def _made(self, key: str, body: dict[str, Any]) -> httpx.Response | None:
        if any(other["email"] == body["email"] for other in self.accounts.values() if other["id"] != key):
            return problem(409, "email_taken")
        if body.get("password") == "short":
            return problem(422, "password_too_weak", errors=[{"pointer": "/password", "code": "password_too_weak", "detail": "x"}])
        self.account(body["role"], key, body["email"], status="active" if body.get("password") else "invited", full_name=body["full_name"])
        return None

    def _changed(self, account: dict[str, Any], body: dict[str, Any]) -> httpx.Response:
        if body.get("expected_version", account["version"]) != account["version"]:
            return problem(412, "stale_version", version=account["version"])
        if account["role"] == "admin" and (body.get("status") == "disabled" or body.get("role", "admin") != "admin"):
            return problem(409, "last_admin")
        said = {name: value for name, value in body.items() if name != "expected_version"}
        if said != {name: account[name] for name in said}:
            account |= {**said, "version": account["version"] + 1}
        return httpx.Response(200, json=account)

    def _appointment(self, request: httpx.Request, key: str, verb: str, body: Any) -> httpx.Response:
        if not key:
            return self._listed(request)
        if key not in self.appointments:
            return problem(404, "no_such_appointment")
        appointment = self.appointments[key]
        if verb == "cancel":
            if appointment["status"] == "checked_in":
                return problem(409, "illegal_move", allowed=["in_progress"])
            appointment |= {"status": "cancelled", "cancelled_by": body["by"]["id"]}
        if request.method == "PUT":
            if body.get("expected_version", appointment["version"]) != appointment["version"]:
                return problem(412, "stale_version", version=appointment["version"])
            if body.get("starts_at") == "2026-03-09T09:00:00Z":
                return problem(
                    409, "slot_taken", alternatives=[{"doctor_id": appointment["doctor_id"], "starts_at": "2026-03-09T10:00:00Z"}]
                )
            said = {name: body[name] for name in ("starts_at", "doctor_id", "status", "reason") if name in body}
            appointment |= said | {"version": appointment["version"] + 1}
        return httpx.Response(200, json=appointment)

    def _listed(self, request: httpx.Request) -> httpx.Response:
        asked = request.url.params
        self.queries.append(list(asked.multi_items()))
        if asked.get("sort") == "colour":
            return problem(422, "validation_failed", errors=[{"pointer": "/sort", "code": "unknown_sort", "detail": "x"}])
        wanted = [
            appointment
            for appointment in self.appointments.values()
            if all(asked.get(side, appointment[side]) == appointment[side] for side in ("doctor_id", "patient_id"))
            and appointment["status"] in (asked.get_list("status") or [appointment["status"]])
            and appointment["starts_at"] >= asked.get("from", "")
        ]
        start = int(asked.get("after", 0))
        end = start + int(asked["limit"])
        answer = httpx.Response(200, json={"items": wanted[start:end], "next": str(end) if end < len(wanted) else None})
        if self.moves_on:
            self.moves_on["status"] = "checked_in"
        return answer

    def account(self, role: str, key: str | None = None, email: str | None = None, **more: Any) -> dict[str, Any]:
        """An account that is there (made now, if it is not)."""
        made: dict[str, Any] = {
            "id": key or str(uuid4()),
            "email": email or f"{uuid4().hex}@clinic.test",
            "full_name": "Ada Somebody",
            "role": role,
            "status": "active",
            "locale": "en",
            "version": 1,
            "created_at": "2026-01-01T00:00:00Z",
        }
        return self.accounts.setdefault(made["id"], made | more)

    def appointment(self, doctor: str, starts_at: str, status: str = "booked", **more: Any) -> dict[str, Any]:
        made: dict[str, Any] = {
            "id": str(uuid4()),
            "doctor_id": doctor,
            "patient_id": str(uuid4()),
            "status": status,
            "starts_at": starts_at,
            "version": 1,
            "price": {"amount": 5000, "currency": "EUR"},
            "service": {"name": "Check-up"},
        }
        self.appointments[made["id"]] = made | more
        return self.appointments[made["id"]]


@asynccontextmanager
async def administration(folder: Path) -> AsyncIterator[tuple[RunningService, Clinic]]:
    clinic = Clinic()
    async with run_service("admin_svc", folder, clinic) as here:
        yield here, clinic
