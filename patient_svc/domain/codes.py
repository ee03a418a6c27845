"""Codes of medical terms. Their form is checked, not whether the system has such a code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from shared.contracts.refusals import Invalid


class CodeSystem(StrEnum):
    """The systems of codes, by the addresses with which FHIR names them."""

    SNOMED_CT = "http://snomed.info/sct"
    ICD_10 = "http://hl7.org/fhir/sid/icd-10"
    ICD_10_CM = "http://hl7.org/fhir/sid/icd-10-cm"
    ICD_10_GM = "http://fhir.de/CodeSystem/bfarm/icd-10-gm"
    RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
    ATC = "http://www.whocc.no/atc"


_ICD_10 = re.compile(r"[A-Z][0-9][0-9A-Z](\.[0-9A-Z]{1,4})?[!*+]?")
CODE_FORMS = {
    CodeSystem.SNOMED_CT: re.compile(r"[1-9][0-9]{5,17}"),
    CodeSystem.ICD_10: _ICD_10,
    CodeSystem.ICD_10_CM: _ICD_10,
    CodeSystem.ICD_10_GM: _ICD_10,
    CodeSystem.RXNORM: re.compile(r"[1-9][0-9]{0,7}"),
    CodeSystem.ATC: re.compile(r"[A-Z]([0-9]{2}([A-Z]([A-Z]([0-9]{2})?)?)?)?"),
}


class BadCode(Invalid):
    """Raised when a code does not have the form that its system prescribes."""

    code = "bad_code"
    detail = "The code does not have the form that its system prescribes."
    remedy = "Send the code as its system writes it, such as `J45.9` for ICD-10, `195967001` for SNOMED CT or `R03AC02` for ATC."
    example_pointers = ("/code/code",)


@dataclass(frozen=True, slots=True)
class MedicalCode:
    """A code of a system of medical terms."""

    system: CodeSystem
    code: str

    def check_form(self) -> None:
        """Raise BadCode when the code does not have the form that its system prescribes."""
        if not CODE_FORMS[self.system].fullmatch(self.code):
            raise BadCode(pointer="/code/code")
