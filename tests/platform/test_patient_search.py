"""The front desk finds patients of the whole platform, those with an account by its address, too."""

from __future__ import annotations

from uuid import uuid4

from tests.platform.accounts import User, register_patient, sign_in_admin, unique_name
from tests.platform.houses import Embedded

CARD_SYSTEM = "urn:oid:1.2.276.0.76.4.8"


def find(staff: User, text: str) -> list[str]:
    """Return the ids of the patients who are found."""
    found = staff.request("GET", "/patients", q=text)
    assert found["complete"] is True
    return [item["id"] for item in found["items"]]


def test_staff_find_patients_by_the_address_of_the_account_and_by_the_profile(embedded: Embedded) -> None:
    admin, name = sign_in_admin(embedded), unique_name("Zoë Brontë-")
    patient = register_patient(embedded, name)
    card, last_name = uuid4().hex, name.partition("-")[2]
    profile = admin.request("GET", f"/patients/{patient.id}")
    admin.request(
        "PATCH", f"/patients/{patient.id}", {"identifiers": [{"system": CARD_SYSTEM, "value": card}]}, if_match=profile["version"]
    )
    for text in (patient.account["email"], f"BRONTE {last_name}", card):
        assert find(admin, text) == [patient.id]
    same = admin.request("POST", "/patients", {"full_name": name}, status=201)
    assert [(item["id"], item["reasons"]) for item in same["possible_duplicates"]] == [(patient.id, ["same_name"])]
    assert sorted(find(admin, last_name)) == sorted([patient.id, same["id"]])
    log = patient.request("GET", "/patients/me/access-log")["items"]
    assert {(line["action"], line["relation"]) for line in log} == {("profile.read", "admin"), ("profile.change", "admin")}
