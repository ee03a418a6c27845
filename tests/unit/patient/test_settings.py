"""The setting with the keys of medical histories."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from patient_svc.settings import PatientSettings, parse_record_keys
from shared.kit.settings import InvalidSettings

KEY, OTHER = (bytes(range(start, start + 32)) for start in (220, 100))
URL_SAFE = base64.urlsafe_b64encode(KEY).decode()
TEXT, OTHER_TEXT = base64.b64encode(KEY).decode(), base64.b64encode(OTHER).decode()


@pytest.mark.parametrize(
    "text",
    [f"2026:{TEXT},old-1:{OTHER_TEXT}", f" 2026:{URL_SAFE.rstrip('=')} , old-1:{OTHER_TEXT} ,"],
    ids=["Base64", "Base64 for URLs, without padding"],
)
def test_keys_are_named_and_keep_their_order(text: str) -> None:
    assert list(parse_record_keys(text).items()) == [("2026", KEY), ("old-1", OTHER)]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "1 to 20 keys are needed"),
        (TEXT, "each key is `name:key`"),
        (f"Upper:{TEXT}", "each key is `name:key`"),
        ("a:c2hvcnQ=", "`a` is not 32 bytes in Base64"),
        (f"a:{TEXT}!", "`a` is not 32 bytes in Base64"),
        ("a:" + "A" * 43 + "=", "`a` is not random"),
        (f"a:{TEXT},a:{OTHER_TEXT}", "`a` is named twice"),
        (f"a:{TEXT},b:{TEXT}", "`b` is named twice, or is the same key as another"),
        (",".join(f"k{number}:{base64.b64encode(bytes(range(number, number + 32))).decode()}" for number in range(21)), "1 to 20 keys"),
    ],
    ids=["none", "no name", "bad name", "short", "not Base64", "zeros", "name twice", "key twice", "too many"],
)
def test_a_bad_list_of_keys_stops_the_start_with_a_line_without_any_key(text: str, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATIENT_RECORD_KEYS", text)
    monkeypatch.setenv("PATIENT_DATABASE_URL", "sqlite+aiosqlite://")
    with pytest.raises(InvalidSettings) as stopped:
        PatientSettings.read()
    line = str(stopped.value)
    assert line.startswith("PATIENT_RECORD_KEYS: ")
    assert fault in line
    assert TEXT.rstrip("=") not in line
    assert "\n" not in line


def test_keys_are_read_from_a_file_and_are_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATIENT_DATABASE_URL", "sqlite+aiosqlite://")
    monkeypatch.delenv("PATIENT_RECORD_KEYS", raising=False)
    with pytest.raises(InvalidSettings, match="PATIENT_RECORD_KEYS: Field required"):
        PatientSettings.from_values()
    (tmp_path / "keys").write_text(f"2026:{TEXT}\n")
    monkeypatch.setenv("PATIENT_RECORD_KEYS_FILE", str(tmp_path / "keys"))
    assert parse_record_keys(PatientSettings.from_values().record_keys) == {"2026": KEY}
