"""The ids of doctors, patients and services that people name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from careslot.client.failures import AmbiguousName, NotSignedIn, UsageFault
from careslot.client.times import start_of_day, to_api

if TYPE_CHECKING:
    from careslot.client.api import PlatformApi

ANY_DOCTOR = "any"
STAFF = ("reception", "admin")
MAX_CANDIDATES = 20
MAX_PAGES = 50
STATUSES_WITHOUT_VISIT = ("cancelled", "declined", "expired", "refused")
ID_PART = re.compile(r"[0-9a-f]{8}[0-9a-f-]*")
WEEKS_AROUND = (timedelta(days=-7), timedelta(days=60))


class NameLookup:
    """Finds ids by names. An id is taken as it is. Raises UsageFault for an unknown name, AmbiguousName for a name of several."""

    def __init__(self, api: PlatformApi) -> None:
        self._api = api

    def doctor(self, name: str) -> str:
        """Return the id of a doctor by name, with or without title; `me` is the doctor who is signed in."""
        if name == "me":
            return self._own_id("doctor")
        return as_id(name) or choose("doctor", name, self._api.items("/doctors", q=name), titled_name)

    def service(self, name: str) -> str:
        """Return the id of a service."""
        return as_id(name) or choose("service", name, self._api.items("/services"), lambda service: str(service.get("name")))

    def patient(self, name: str) -> str:
        """Return the id of a patient; `me` is the person who is signed in. Staff search all patients, others their dependants."""
        if name == "me":
            return self._own_id("patient")
        if known := as_id(name):
            return known
        if self._role() in STAFF:
            matches = self._api.get("/patients", q=name, limit=MAX_CANDIDATES + 1)["items"]
            return choose("patient", name, matches, plain_name, is_search_result=True)
        if self._api.tokens.account() is None:
            raise UsageFault("Without a person's account patients cannot be searched: give the id of the patient.")
        return choose("patient", name, self._api.items("/patients/me/dependants"), plain_name)

    def appointment(self, text: str, today: date, zone: ZoneInfo) -> str:
        """Return the id of an appointment: by id, a part of it (visits of these weeks), or the patient (visits of today)."""
        if known := as_id(text):
            return known
        is_part = ID_PART.fullmatch(text.lower()) is not None
        days = WEEKS_AROUND if is_part else (timedelta(), timedelta(days=1))
        begin, end = (to_api(start_of_day(today + offset, zone)) for offset in days)
        matches = [visit for page in islice(self._visits(begin, end), MAX_PAGES) for visit in page["items"]]
        if is_part:
            matches = [visit for visit in matches if _begins_or_ends_with(str(visit["id"]), text.lower())]
        else:  # a cancelled visit of the same patient is meant only if there is no other
            matches = [visit for visit in matches if visit.get("status") not in STATUSES_WITHOUT_VISIT] or matches
        return choose("visit", text, matches, _patient_name, is_search_result=is_part)

    def _visits(self, begin: str, end: str) -> Iterator[dict[str, Any]]:
        return self._api.pages("/appointments", limit=None, **{"from": begin, "to": end})

    def doctor_names(self, doctor_ids: Iterable[str], service_id: str | None = None) -> dict[str, str]:
        """Return the names of doctors by id, with one request for each hundred doctors of a service."""
        wanted = set(doctor_ids)
        if not wanted:
            return {}
        doctors = self._api.items("/doctors", service_id=service_id)
        return {doctor["id"]: titled_name(doctor) for doctor in doctors if doctor["id"] in wanted}

    def all_doctor_names(self) -> dict[str, str]:
        """Return the names of all doctors who can be booked, by id."""
        return {doctor["id"]: titled_name(doctor) for doctor in self._api.items("/doctors")}

    def _role(self) -> str:
        account = self._api.tokens.account()
        return str(account.get("role")) if account else ""

    def _own_id(self, role: str) -> str:
        account = self._api.tokens.account()
        if not account:
            raise NotSignedIn("`me` needs a person who is signed in. Sign in with `careslot login`.")
        if account.get("role") != role:
            raise UsageFault(f"`me` is no {role}: you are signed in as {account.get('role')}.")
        return str(account["id"])


def titled_name(doctor: dict[str, Any]) -> str:
    """Return the name of a doctor with the title."""
    return f"{doctor.get('title') or ''} {doctor.get('full_name')}".strip()


def _begins_or_ends_with(id: str, part: str) -> bool:
    """Return whether a part of an id is its beginning, or its end, which tables on a terminal show."""
    return id.startswith(part) or id.endswith(part)


def _patient_name(visit: dict[str, Any]) -> str:
    return str((visit.get("patient") or {}).get("full_name"))


def plain_name(person: dict[str, Any]) -> str:
    """Return the name of a person."""
    return str(person.get("full_name"))


def choose(
    noun: str, name: str, matches: list[dict[str, Any]], name_of: Callable[[dict[str, Any]], str], *, is_search_result: bool = False
) -> str:
    """Return the id of the only entry that has the name, else of the only one whose name contains its words.

    Upper and lower case make no difference. With `is_search_result` all entries match already, perhaps by phone or day of birth.
    Raises UsageFault if there is none, AmbiguousName if there are several.
    """
    wanted = name.strip().casefold()
    exact = [entry for entry in matches if wanted in (name_of(entry).casefold(), str(entry.get("full_name", "")).casefold())]
    words = wanted.split()
    candidates = exact or [entry for entry in matches if is_search_result or all(word in name_of(entry).casefold() for word in words)]
    if not candidates:
        raise UsageFault(f"There is no {noun} {name[:100]!r}.")
    if len(candidates) > 1:
        options = [(str(entry["id"]), _distinct_name(entry, name_of)) for entry in candidates[:MAX_CANDIDATES]]
        raise AmbiguousName(f"{len(candidates)} {noun}s are named {name[:100]!r}. Give the id of one of them:", options)
    return str(candidates[0]["id"])


def _distinct_name(entry: dict[str, Any], name_of: Callable[[dict[str, Any]], str]) -> str:
    """Return a name with the facts that distinguish people who have the same name."""
    facts = [entry.get(name) for name in ("location", "born_on", "phone", "specialty", "starts_at", "status")]
    return ", ".join([name_of(entry), *(str(fact) for fact in facts if fact)])


def as_id(text: str) -> str | None:
    """Return an id in the form that the API has, or None for a text that is no id."""
    try:
        return str(UUID(text)) if len(text) >= 32 else None
    except ValueError:
        return None
