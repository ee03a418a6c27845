"""The export as a FHIR R4B Bundle (HL7 FHIR 4.3.0), written piece by piece.

It has what FHIR has resources for: the patient, related people, appointments, and conditions, allergies, medications and procedures of the
medical history as they are now. Notes, earlier versions, messages and the access log are in the JSON export only.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from patient_svc.domain.exports import Exported, PatientExport
from patient_svc.domain.guardians import Dependant, Guardian
from patient_svc.domain.patients import Patient
from patient_svc.domain.records import ClinicalStatus, MedicalEntry, MedicalEntryKind
from shared.contracts.derived_ids import derive_id
from shared.contracts.values import format_instant

Resource = dict[str, Any]
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
INCOMPLETE = {"system": "https://careslot.example/export", "code": "incomplete", "display": "Some appointments are missing"}
APPOINTMENT_STATUSES = {
    "pending": "proposed",
    "requested": "pending",
    "booked": "booked",
    "checked_in": "checked-in",
    "in_progress": "arrived",
    "completed": "fulfilled",
    "missed": "noshow",
}
"""FHIR's status of an appointment; it is `cancelled` for all that will not take place."""
MEDICATION_STATUSES = {ClinicalStatus.ACTIVE: "active", ClinicalStatus.RESOLVED: "completed", ClinicalStatus.INACTIVE: "stopped"}


async def bundle_pieces(export: PatientExport) -> AsyncIterator[str]:
    """Yield the Bundle. Its last member `meta` says that appointments are missing, where that is so."""
    head = {"resourceType": "Bundle", "type": "collection", "timestamp": format_instant(export.generated_at)}
    yield json.dumps(head)[:-1] + ', "entry": [' + _entry(patient_resource(export.patient, _account_email(export.account)))
    for person in (*map(related_dependant, export.dependants), *map(related_guardian, export.guardians)):
        yield "," + _entry(person | {"patient": _reference(export.patient.id)})
    async for appointment in export.appointments:
        yield "," + _entry(appointment_resource(appointment))
    async for entry in export.medical_history:
        if entry.current.kind is not MedicalEntryKind.NOTE:
            yield "," + _entry(medical_resource(entry.current))
    meta = ', "meta": ' + json.dumps({"tag": [INCOMPLETE]}) if export.missing else ""
    yield f"]{meta}}}"


def patient_resource(patient: Patient, account_email: str | None = None) -> Resource:
    """Return the Patient. A patient with an account has the address of the account, any other one that of the profile."""
    contact, email = patient.emergency_contact, account_email or patient.email
    return _without_empty(
        {
            "resourceType": "Patient",
            "id": str(patient.id),
            "identifier": [{"system": item.system, "value": item.value} for item in patient.identifiers],
            "name": [{"text": patient.full_name}],
            "telecom": [{"system": system, "value": value} for system, value in (("phone", patient.phone), ("email", email)) if value],
            "gender": patient.sex and patient.sex.value,
            "birthDate": patient.born_on and patient.born_on.isoformat(),
            "address": [_address(patient.address)] if patient.address else [],
            "communication": [{"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": patient.locale}]}}] if patient.locale else [],
            "contact": [_emergency_contact(contact)] if contact else [],
        }
    )


def related_dependant(dependant: Dependant) -> Resource:
    """Return a dependant of the patient as a RelatedPerson; `relationship` is what they are to the patient."""
    born_on = dependant.born_on and dependant.born_on.isoformat()
    return _related(dependant.id, dependant.full_name, dependant.relationship) | ({"birthDate": born_on} if born_on else {})


def related_guardian(guardian: Guardian) -> Resource:
    """Return a guardian of the patient as a RelatedPerson (FHIR: legal guardian)."""
    person = _related(guardian.id, guardian.full_name, None)
    return person | {"relationship": [{"coding": [{"system": f"{TERMINOLOGY}/v3-RoleCode", "code": "GUARD"}], "text": "guardian"}]}


def appointment_resource(appointment: Exported) -> Resource:
    """Return an Appointment from what appointment-service exports."""
    doctor, patient = appointment.get("doctor"), appointment["patient"]
    participants = [{"actor": _reference(patient["id"]), "status": "accepted"}]
    if doctor:
        name = " ".join(filter(None, (doctor.get("title"), doctor["full_name"])))
        participants.append({"actor": {"display": name, "identifier": {"value": doctor["id"]}}, "status": "accepted"})
    return _without_empty(
        {
            "resourceType": "Appointment",
            "id": appointment["id"],
            "status": APPOINTMENT_STATUSES.get(appointment["status"], "cancelled"),
            "serviceType": [{"text": appointment["service"]["name"]}],
            "reasonCode": [{"text": appointment["reason"]}] if appointment.get("reason") else [],
            "start": appointment["starts_at"],
            "end": appointment["ends_at"],
            "created": appointment["created_at"],
            "participant": participants,
        }
    )


def medical_resource(entry: MedicalEntry) -> Resource:
    """Return an entry of the medical history that is no note."""
    resource = {
        MedicalEntryKind.CONDITION: _condition,
        MedicalEntryKind.ALLERGY: _allergy,
        MedicalEntryKind.MEDICATION: _medication,
        MedicalEntryKind.PROCEDURE: _procedure,
    }[entry.kind](entry)
    return _without_empty(resource | {"id": str(entry.id), "note": [{"text": entry.details}] if entry.details else []})


def _condition(entry: MedicalEntry) -> Resource:
    return {
        "resourceType": "Condition",
        **_statuses(entry, "condition-clinical", "condition-ver-status"),
        "code": _concept(entry),
        "subject": _reference(entry.patient_id),
        "onsetDateTime": _onset(entry),
        "recordedDate": format_instant(entry.recorded_at),
    }


def _allergy(entry: MedicalEntry) -> Resource:
    reaction = {"manifestation": [{"text": "Not recorded"}], "severity": entry.severity.value} if entry.severity else None
    return {
        "resourceType": "AllergyIntolerance",
        **_statuses(entry, "allergyintolerance-clinical", "allergyintolerance-verification"),
        "code": _concept(entry),
        "patient": _reference(entry.patient_id),
        "onsetDateTime": _onset(entry),
        "recordedDate": format_instant(entry.recorded_at),
        "reaction": [reaction] if reaction else [],
    }


def _medication(entry: MedicalEntry) -> Resource:
    status = MEDICATION_STATUSES.get(entry.status or ClinicalStatus.ACTIVE, "unknown")
    return {
        "resourceType": "MedicationStatement",
        "status": "entered-in-error" if entry.retracted else status,
        "medicationCodeableConcept": _concept(entry),
        "subject": _reference(entry.patient_id),
        "effectiveDateTime": _onset(entry),
        "dateAsserted": format_instant(entry.recorded_at),
        "dosage": [{"text": entry.dose}] if entry.dose else [],
    }


def _procedure(entry: MedicalEntry) -> Resource:
    return {
        "resourceType": "Procedure",
        "status": "entered-in-error" if entry.retracted else "completed",
        "code": _concept(entry),
        "subject": _reference(entry.patient_id),
        "performedDateTime": _onset(entry),
    }


def _statuses(entry: MedicalEntry, clinical_system: str, verification_system: str) -> Resource:
    """Return the statuses of a condition or an allergy. One that was entered in error has no clinical status (FHIR con-5, ait-2)."""
    if entry.retracted:
        return {"verificationStatus": {"coding": [{"system": f"{TERMINOLOGY}/{verification_system}", "code": "entered-in-error"}]}}
    status = (entry.status or ClinicalStatus.ACTIVE).value
    return {"clinicalStatus": {"coding": [{"system": f"{TERMINOLOGY}/{clinical_system}", "code": status}]}}


def _concept(entry: MedicalEntry) -> Resource:
    coding = [{"system": entry.code.system.value, "code": entry.code.code}] if entry.code else []
    return _without_empty({"coding": coding, "text": entry.title})


def _onset(entry: MedicalEntry) -> str | None:
    return entry.onset_on.isoformat() if entry.onset_on else None


def _related(person_id: UUID, full_name: str, relationship: str | None) -> Resource:
    person = {
        "resourceType": "RelatedPerson",
        "id": str(derive_id(person_id, "related_person")),
        "name": [{"text": full_name}],
        "relationship": [{"text": relationship}] if relationship else [],
    }
    return _without_empty(person)


def _address(address: dict[str, Any]) -> Resource:
    return _without_empty(
        {
            "line": [line for line in (address.get("line1"), address.get("line2")) if line],
            "city": address.get("city"),
            "postalCode": address.get("postal_code"),
            "state": address.get("region"),
            "country": address.get("country"),
        }
    )


def _emergency_contact(contact: dict[str, Any]) -> Resource:
    relationship = [{"text": contact["relationship"]}] if contact.get("relationship") else []
    phone = [{"system": "phone", "value": contact["phone"]}]
    return _without_empty({"relationship": relationship, "name": {"text": contact["full_name"]}, "telecom": phone})


def _account_email(account: Exported | None) -> str | None:
    """Return the address of the account in what auth-service exports."""
    email = account and account.get("account", {}).get("email")
    return str(email) if email else None


def _reference(resource_id: UUID | str) -> Resource:
    return {"reference": f"urn:uuid:{resource_id}"}


def _entry(resource: Resource) -> str:
    return json.dumps({"fullUrl": f"urn:uuid:{resource['id']}", "resource": resource}, ensure_ascii=False)


def _without_empty(fields: Resource) -> Resource:
    """Return the fields that have a value: FHIR allows neither null nor empty lists."""
    return {name: value for name, value in fields.items() if value not in (None, "", [], {})}
