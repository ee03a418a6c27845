"""Identifiers that other organisations gave to a patient, such as the number of a health insurance."""

from __future__ import annotations

from dataclasses import dataclass

from shared.contracts.refusals import Conflict, facts

MAX_IDENTIFIERS = 10
"""The largest number of identifiers of one patient."""


class IdentifierTaken(Conflict):
    """Raised when another patient has this identifier. The fact `patient_id` is that patient; only staff can get this refusal."""

    code = "identifier_taken"
    detail = "Another patient has this identifier."
    remedy = "Compare with the patient that `patient_id` names: it may be the same person."
    example_facts = facts(patient_id="01a206b9-ffc9-726c-b520-6c5fbdafecf3")
    example_pointers = ("/identifiers/0",)


@dataclass(frozen=True, slots=True)
class Identifier:
    """An identifier as FHIR has it: `system` is the URI of the namespace in which `value` is unique. Both are compared exactly."""

    system: str
    value: str
