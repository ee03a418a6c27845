"""The encryption of medical histories: what is copied elsewhere, changed, or made with another key does not decrypt."""

from __future__ import annotations

import logging
from uuid import UUID

import pytest

from patient_svc.ports import RecordsUnreadable
from patient_svc.repository.record_cipher import NotDecrypted, RecordCipher, RecordKeyring, WrappedKey

SAM, KIM, ENTRY, OTHER = (UUID(int=number) for number in (1, 2, 3, 4))
OLD, NEW = bytes(range(32)), bytes(range(100, 132))
CIPHER = RecordCipher(SAM, OLD)


def test_a_text_comes_back_and_no_ciphertext_repeats() -> None:
    first, second = (CIPHER.encrypt("Asthma: Käse", ENTRY, 1, "title") for _ in range(2))
    assert first != second
    assert b"Asthma" not in first
    assert CIPHER.decrypt(first, ENTRY, 1, "title") == CIPHER.decrypt(second, ENTRY, 1, "title") == "Asthma: Käse"


@pytest.mark.parametrize(
    ("cipher", "row_id", "version", "field"),
    [
        (RecordCipher(KIM, OLD), ENTRY, 1, "title"),
        (CIPHER, OTHER, 1, "title"),
        (CIPHER, ENTRY, 2, "title"),
        (CIPHER, ENTRY, 1, "details"),
        (RecordCipher(SAM, NEW), ENTRY, 1, "title"),
    ],
    ids=["patient", "entry", "version", "field", "key"],
)
def test_a_ciphertext_that_was_copied_elsewhere_does_not_decrypt(cipher: RecordCipher, row_id: UUID, version: int, field: str) -> None:
    ciphertext = CIPHER.encrypt("Asthma", ENTRY, 1, "title")
    with pytest.raises(RecordsUnreadable):
        cipher.decrypt(ciphertext, row_id, version, field)


@pytest.mark.parametrize("length", [0, 1, 5, 13, 28])
def test_a_ciphertext_that_was_cut_does_not_decrypt(length: int) -> None:
    with pytest.raises(RecordsUnreadable):
        CIPHER.decrypt(CIPHER.encrypt("Asthma", ENTRY, 1, "title")[:length], ENTRY, 1, "title")


def test_every_changed_bit_is_noticed_and_logged_without_any_text(caplog: pytest.LogCaptureFixture) -> None:
    ciphertext = CIPHER.encrypt("Asthma", ENTRY, 1, "title")
    with caplog.at_level(logging.ERROR, "careslot"):
        for position in range(len(ciphertext)):
            changed = bytearray(ciphertext)
            changed[position] ^= 1
            with pytest.raises(RecordsUnreadable):
                CIPHER.decrypt(bytes(changed), ENTRY, 1, "title")
    facts = [record.__dict__["facts"] for record in caplog.records]
    assert len(facts) == len(ciphertext)
    assert {tuple(line) for line in facts} == {("patient_id", "row_id", "field", "reason")}
    assert {line["reason"] for line in facts} == {"not_authentic", "unknown_format"}


def test_the_first_key_wraps_and_every_key_unwraps() -> None:
    before, during, after = RecordKeyring({"old": OLD}), RecordKeyring({"new": NEW, "old": OLD}), RecordKeyring({"new": NEW})
    key, wrapped = before.create_key(SAM)
    assert (len(key), wrapped.master_key) == (32, "old")
    assert key not in wrapped.wrapped_key
    rewrapped = during.wrap(SAM, during.unwrap(SAM, wrapped))
    assert (rewrapped.master_key, after.unwrap(SAM, rewrapped)) == ("new", key)
    with pytest.raises(NotDecrypted, match="master_key_missing"):
        after.unwrap(SAM, wrapped)


def test_the_key_of_a_patient_is_of_no_use_for_another() -> None:
    keyring = RecordKeyring({"old": OLD})
    _, wrapped = keyring.create_key(SAM)
    with pytest.raises(NotDecrypted):
        keyring.unwrap(KIM, wrapped)
    with pytest.raises(NotDecrypted):
        RecordKeyring({"old": NEW}).unwrap(SAM, WrappedKey("old", wrapped.wrapped_key))


def test_a_check_value_tells_whether_a_master_key_is_still_the_same() -> None:
    keyring = RecordKeyring({"old": OLD, "new": NEW})
    assert keyring.has_key("old", keyring.check_value("old"))
    assert not keyring.has_key("new", keyring.check_value("old"))
    assert not RecordKeyring({"old": NEW}).has_key("old", keyring.check_value("old"))
