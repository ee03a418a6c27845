"""The password rules (NIST SP 800-63B section 3.1.1): a minimum length and no guessable values, but no composition rules."""

from __future__ import annotations

import re
import unicodedata

from auth_svc.domain.refusals import PasswordTooWeak

MIN_LENGTH, MAX_LENGTH = 12, 128
SEQUENCES = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890123456789",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",
)
COMMON_PASSWORDS = frozenset(
    re.findall(
        r"\S+",
        """
    passwordpassword password1234 password12345 password123456 password123! passw0rd1234 administrator administrator1
    adminadminadmin letmeinletmein welcome12345 welcome123456 iloveyou1234 iloveyouiloveyou qwerty123456 qwertyqwerty
    qwerty12345678 1q2w3e4r5t6y 1qaz2wsx3edc 1q2w3e4r5t6y7u 123qweasdzxc zaq12wsxcde3 changemechangeme changeme1234
    changeme12345 unbelievable internet1234 sunshine1234 princess1234 football1234 baseball1234 superman1234 trustno1trustno1
    monkey123456 dragon123456 master123456 michael12345 jennifer1234 liverpool123 manchester123 chelsea12345 summer2024summer
    winter2024winter spring2025spring abcd12345678 abc123456789 a12345678910 asdfghjkl123 asdf12345678 zxcvbnm12345
    hello1234567 hellohellohello secretsecret secret123456 testtesttest test12345678 default12345 guestguest12 loginlogin12
    careslot1234 careslotcareslot doctordoctor patientpatient hospital1234 clinic123456
    """,
    )
)

WORD_AND_DIGITS = re.compile(r"(?:admin|hello|iloveyou|letmein|login|passw[o0]rd|p@ssw[o0]rd|qwerty|secret|test|user|welcome)(\d+)")
MAX_REPEATED_PIECE = 4


def check_password(password: str, email: str, pointer: str = "/password") -> None:
    """Raise PasswordTooWeak unless the password may be used by the owner of `email`; `pointer` names the request's field."""
    folded_password, folded_email = password.casefold(), email.casefold()
    is_like_email = folded_password in {folded_email, folded_email.partition("@")[0]}
    is_guessable = is_like_email or folded_password in COMMON_PASSWORDS or _is_pattern(folded_password)
    if is_guessable or not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise PasswordTooWeak(pointer=pointer)


def normalize_password(password: str) -> str:
    """Return the NFKC form, so that keyboards that encode a character differently give the same password (section 3.1.1.2)."""
    return unicodedata.normalize("NFKC", password)


def _is_pattern(word: str) -> bool:
    """Return True for a short piece that repeats, a part of one of SEQUENCES, or a common word followed by consecutive digits."""
    is_repetition = any(word == (word[:size] * len(word))[: len(word)] for size in range(1, MAX_REPEATED_PIECE + 1))
    word_and_digits = WORD_AND_DIGITS.fullmatch(word)
    candidates = (word, word_and_digits[1] if word_and_digits else word)
    return is_repetition or any(part in sequence or part in sequence[::-1] for sequence in SEQUENCES for part in candidates)
