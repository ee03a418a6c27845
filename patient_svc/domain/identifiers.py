"""Identifiers that other organisations gave to a patient, such as the number of a health insurance."""

from __future__ import annotations

import re
from dataclasses import dataclass
from unicodedata import normalize

from shared.contracts.refusals import Conflict, facts

CASELESS_START = re.compile(r"urn:[^:]*|[^:]*:(?://[^/?#@]*(?=[/?#]|$))?", re.IGNORECASE)
"""The scheme of a URI with what follows it and has no case either: the namespace of a URN (RFC 8141), or the host (RFC 3986)."""
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
    """An identifier as FHIR has it: `system` is the URI of the namespace in which `value` is unique.

    Both are compared exactly, after `normalize_system` and `normalize_value`.
    """

    system: str
    value: str


def normalize_system(system: str) -> str:
    """Return the URI of a namespace with those parts in lower case whose case does not matter."""
    return CASELESS_START.sub(lambda match: match[0].lower(), system, count=1)


def normalize_value(value: str) -> str:
    """Return the value of an identifier with composed letters (NFC), so that it is the same from every keyboard."""
    return normalize("NFC", value)
