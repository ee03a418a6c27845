"""The settings of patient-service."""

from __future__ import annotations

import base64
import binascii
import re
from typing import ClassVar

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from shared.contracts.identity import Service
from shared.kit.settings import CommonSettings

KEY_BYTES, MIN_DIFFERENT_BYTES, MAX_KEYS = 32, 16, 20
KEY_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


class PatientSettings(CommonSettings):
    """Settings of patient-service, from variables that begin with `PATIENT_`, and the common ones."""

    model_config = SettingsConfigDict(env_prefix="PATIENT_", frozen=True, extra="ignore", populate_by_name=True)
    service: ClassVar[Service] = Service.PATIENT

    database_url: str = Field(description="The database: `mysql+aiomysql://...` or `sqlite+aiosqlite:///...`.")
    keep_accesses_days: int = Field(
        default=3650,
        ge=365,
        le=36500,
        description="Days for which patients can see who read or changed their data. The audit trail has these lines longer.",
    )
    record_keys: str = Field(
        description="The keys that protect medical histories: `name:key`, or several after commas. A key is 32 random bytes in Base64 "
        "(`openssl rand -base64 32`). The first one encrypts. Without the keys the histories are lost: keep a copy apart from that of the "
        "database. `careslot rotate-keys` puts a new first one into use.",
    )
    treatment_months: int = Field(24, ge=1, le=600, description="For how many months after a visit its doctor reads the medical history.")
    adult_age_years: int = Field(
        18,
        ge=10,
        le=30,
        description="From which age on, by the date in the clinic, guardians do not read the medical history any more, "
        "and book only until the dependant has an account.",
    )
    break_glass_minutes: int = Field(
        60, ge=5, le=1440, description="For how many minutes an admin may read a medical history that they opened for a reason."
    )
    max_entries: int = Field(
        200, ge=1, le=2000, description="How many entries of one kind a medical history may have. Retracted ones do not count."
    )

    keep_records_years: int = Field(
        10,
        ge=1,
        le=100,
        description="For how many years after the last visit and the last change the data of patients without an active account are kept. "
        "Then they are erased, as if the patient had asked for it. Dependants of a guardian with an active account are kept.",
    )

    keep_visits_years: int = Field(
        30,
        ge=1,
        le=100,
        description="For how many years after its end a visit stays in the booking history, at least as long as records are kept. Set it "
        "as `APPOINTMENT_KEEP_YEARS`, after which appointment-service deletes the appointment.",
    )

    @field_validator("record_keys")
    @classmethod
    def _check_record_keys(cls, text: str) -> str:
        parse_record_keys(text)
        return text


def parse_record_keys(text: str) -> dict[str, bytes]:
    """Return the keys by their names, in the order of the list. Raises ValueError, whose text names keys but contains none."""
    keys: dict[str, bytes] = {}
    for item in filter(None, (item.strip() for item in text.split(","))):
        name, _, encoded = item.partition(":")
        if not KEY_NAME.fullmatch(name):
            raise ValueError("each key is `name:key`, with a name of small letters, digits, `-` and `_`")
        key = _decode(encoded)
        if len(key) != KEY_BYTES:
            raise ValueError(f"`{name}` is not {KEY_BYTES} bytes in Base64")
        if len(set(key)) < MIN_DIFFERENT_BYTES:
            raise ValueError(f"`{name}` is not random")
        if name in keys or key in keys.values():
            raise ValueError(f"`{name}` is named twice, or is the same key as another")
        keys[name] = key
    if not 1 <= len(keys) <= MAX_KEYS:
        raise ValueError(f"1 to {MAX_KEYS} keys are needed")
    return keys


def _decode(encoded: str) -> bytes:
    """Return the bytes of Base64 with or without padding, in the usual alphabet or that for URLs; no bytes for anything else."""
    unpadded = encoded.strip().rstrip("=")
    try:
        return base64.b64decode(unpadded.replace("-", "+").replace("_", "/") + "=" * (-len(unpadded) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""
