"""Which texts are language tags (BCP 47)."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from shared.contracts.values import Locale

LOCALE: TypeAdapter[str] = TypeAdapter(Locale)


@pytest.mark.parametrize(
    "tag", ["en", "de-AT", "zh-yue-HK", "sr-Latn-RS", "de-CH-1996", "sl-rozaj-biske", "es-419", "en-u-ca-gregory", "en-x-a", "DE-at"]
)
def test_a_well_formed_language_tag_is_accepted_as_it_is(tag: str) -> None:
    assert LOCALE.validate_python(tag) == tag


@pytest.mark.parametrize(
    "tag", ["", "e", "xx-yy-zz-qq", "de-AT-AT", "de-1996-Latn", "en-AT-Latn", "en-", "en--AT", "en-a", "en-x", "de_AT", "english"]
)
def test_what_is_no_language_tag_is_refused(tag: str) -> None:
    with pytest.raises(ValidationError):
        LOCALE.validate_python(tag)
