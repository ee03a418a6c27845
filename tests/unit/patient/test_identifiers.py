"""In which form identifiers of patients are compared and stored."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from patient_svc.domain.identifiers import normalize_system
from patient_svc.schemas.profiles import CreateWalkIn, IdentifierIn


@pytest.mark.parametrize(
    ("system", "normalized"),
    [
        ("URN:kv", "urn:kv"),
        ("urn:OID:1.2", "urn:oid:1.2"),
        ("urn:kv:Ab", "urn:kv:Ab"),
        ("HTTPS://Example.ORG/Ab?C", "https://example.org/Ab?C"),
        ("HTTPS://Example.ORG", "https://example.org"),
        ("http://User@Example.org/x", "http://User@Example.org/x"),
        ("Foo:Bar", "foo:Bar"),
    ],
    ids=["urn", "namespace", "rest of a urn", "host", "host alone", "user", "other"],
)
def test_scheme_namespace_and_host_of_a_system_have_no_case(system: str, normalized: str) -> None:
    assert normalize_system(system) == normalized
    assert IdentifierIn(system=system, value="1").system == normalized


def test_a_value_is_composed_and_the_same_one_twice_is_refused() -> None:
    composed, decomposed = "\u00e4bc-1", "a\u0308bc-1"
    assert IdentifierIn(system="urn:kv", value=decomposed).value == composed
    twice = [{"system": "urn:kv", "value": composed}, {"system": "URN:KV", "value": decomposed}]
    with pytest.raises(ValidationError, match="given twice"):
        CreateWalkIn.model_validate({"full_name": "Sam Lee", "identifiers": twice})


def test_a_value_that_is_too_long_when_composed_is_refused() -> None:
    with pytest.raises(ValidationError, match="at most 100"):
        IdentifierIn(system="urn:kv", value="\u0958" * 51)
