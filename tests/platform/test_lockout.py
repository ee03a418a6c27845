"""Passwords cannot be guessed through the gateway, and the owner of the account is notified and can sign in."""

from __future__ import annotations

import httpx

from tests.platform.accounts import User, register_patient, sign_in, wait_for_mails
from tests.platform.houses import Platform

NEW_PASSWORD = "another long pass phrase"


def test_guesses_are_delayed_and_a_new_password_by_mail_ends_the_delay(platform: Platform) -> None:
    patient, anonymous = register_patient(platform), User(platform)
    email = patient.account["email"]

    def guess(number: int) -> httpx.Response:
        body = {"email": email, "password": f"wrong pass phrase {number}"}
        return anonymous.http.post("/auth/login", json=body, headers={"X-Forwarded-For": f"203.0.113.{number}"})

    assert [guess(number).status_code for number in range(10)] == [401] * 10
    refused = guess(10)
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_attempts")
    assert 0 < int(refused.headers["retry-after"]) <= 30
    (warning,) = wait_for_mails(platform, email, 1)
    assert "Wrong passwords for your account" in warning["subject"]

    anonymous.request("POST", "/auth/password/forgot", {"email": email}, status=202)
    text = wait_for_mails(platform, email, 2)[1]["text"]
    token = next(line.strip() for line in text.splitlines() if len(line.strip()) > 30 and " " not in line.strip() and "://" not in line)
    anonymous.request("POST", "/auth/password/reset", {"token": token, "new_password": NEW_PASSWORD}, status=204)
    assert sign_in(platform, email, NEW_PASSWORD).id == patient.id
