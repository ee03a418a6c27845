"""What a password must be."""

from __future__ import annotations

import pytest

from auth_svc.domain.passwords import canonical, check
from auth_svc.domain.refusals import PasswordTooWeak

EMAIL = "samuel.jackson@example.com"


@pytest.mark.parametrize(
    "password",
    [
        "a long enough pass phrase",
        "correct horse battery staple",
        "x7#Kp2!vQ9zL",
        "密码密码安全的很长的口令句",
        "samuel.jackson and his cat",
        "password of nobody else",
        "y" + "x" * 126 + "z",
    ],
)
def test_a_long_one_that_nobody_would_guess_will_do(password: str) -> None:
    check(password, EMAIL)


@pytest.mark.parametrize(
    "password",
    [
        "",
        "elevenchars",
        "y" + "x" * 127 + "z",
        EMAIL,
        EMAIL.upper(),
        "Samuel.Jackson",
        "PasswordPassword",
        "Password1234",
        "password12345678",
        "qwerty1234567",
        "letmein987654321",
        "aaaaaaaaaaaa",
        "abababababab",
        "abcabcabcabca",
        "123456789012",
        "987654321098",
        "abcdefghijkl",
        "qwertyuiopasdf",
        "mnbvcxzlkjhg",
    ],
)
def test_a_guessable_one_is_refused(password: str) -> None:
    with pytest.raises(PasswordTooWeak) as refused:
        check(password, EMAIL, "/new_password")
    assert refused.value.facts == {"pointer": "/new_password"}


def test_what_looks_the_same_is_the_same() -> None:
    assert canonical("gru\u0308n") == canonical("grün")
    assert canonical("Grün") != canonical("grün")
