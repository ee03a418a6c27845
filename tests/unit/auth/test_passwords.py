"""Which passwords are accepted."""

from __future__ import annotations

import pytest

from auth_svc.domain.passwords import check_password, normalize_password
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
def test_a_long_password_that_is_hard_to_guess_is_accepted(password: str) -> None:
    check_password(password, EMAIL)


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
def test_a_password_that_is_easy_to_guess_is_refused(password: str) -> None:
    with pytest.raises(PasswordTooWeak) as refusal:
        check_password(password, EMAIL, "/new_password")
    assert refusal.value.facts == {"pointer": "/new_password"}


def test_passwords_that_look_the_same_are_the_same() -> None:
    assert normalize_password("gru\u0308n") == normalize_password("grün")
    assert normalize_password("Grün") != normalize_password("grün")
