"""What a password must be (NIST SP 800-63B section 3.1.1: length, and no known or guessable value; no composition rules)."""

from __future__ import annotations

import re
import unicodedata

from auth_svc.domain.refusals import PasswordTooWeak

SHORTEST, LONGEST = 12, 128
RUNS = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890123456789",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",
)
COMMON = frozenset(
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


def check(password: str, email: str, pointer: str = "/password") -> None:
    """Refuses with `password_too_weak`; `pointer` names the field."""
    plain, address = password.casefold(), email.casefold()
    guessable = plain in {address, address.partition("@")[0]} or plain in COMMON or _is_pattern(plain)
    if guessable or not SHORTEST <= len(password) <= LONGEST:
        raise PasswordTooWeak(pointer=pointer)


def canonical(password: str) -> str:
    """One form for what looks the same, whichever keyboard it was typed on (NIST SP 800-63B section 3.1.1.2)."""
    return unicodedata.normalize("NFKC", password)


def _is_pattern(plain: str) -> bool:
    """One short piece again and again, a run of the alphabet, the digits or the keyboard, or a common word before a run of digits."""
    repeats = any(plain == (plain[:size] * len(plain))[: len(plain)] for size in range(1, 5))
    counted = WORD_AND_DIGITS.fullmatch(plain)
    return repeats or any(piece in run or piece in run[::-1] for run in RUNS for piece in (plain, counted[1] if counted else plain))
