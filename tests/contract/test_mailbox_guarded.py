"""A mail server that requires TLS and a password: mails are delivered only with both."""

from __future__ import annotations

import asyncio
import gc
import ssl
import time
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from notify_svc.clients.smtp import SmtpMailbox
from notify_svc.ports import MailDeferred
from tests.contract.test_mailbox import a_mail, deliver_once
from tests.platform.houses import free_port


class GuardedServer:
    """Records whether each mail came over TLS, and the login. It blocks for `pause_seconds` after a login."""

    def __init__(self) -> None:
        self.port, self.deliveries, self.pause_seconds = free_port(), list[tuple[bool, bytes]](), 0.0

    async def handle_DATA(self, _server: Any, session: Any, _envelope: Any) -> str:
        self.deliveries.append((session.ssl is not None, session.auth_data.login))
        return "250 kept"

    def check_login(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        is_valid = isinstance(data, LoginPassword) and data == LoginPassword(b"careslot@x", b"p:ss word")
        asyncio.get_running_loop().call_soon(time.sleep, self.pause_seconds)
        return AuthResult(success=is_valid, handled=False, auth_data=data)


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with a key and a self-signed certificate of 127.0.0.1."""
    key, now, name = (
        ec.generate_private_key(ec.SECP256R1()),
        datetime.now(UTC),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail")]),
    )
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
    certificate = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(key, SHA256())
    path = tmp_path_factory.mktemp("identity") / "mail.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(private + certificate.public_bytes(Encoding.PEM))
    return path


@pytest.fixture
def guarded(identity: Path) -> Iterator[GuardedServer]:
    """A server that offers authentication only after STARTTLS, and accepts no mail without both."""
    server, context = GuardedServer(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(identity)
    options = {"tls_context": context, "require_starttls": True, "auth_required": True, "authenticator": server.check_login}
    controller = Controller(server, hostname="127.0.0.1", port=server.port, **options)
    controller.start()
    yield server
    controller.stop()


async def test_a_mail_is_sent_over_tls_with_the_login_of_the_url(
    guarded: GuardedServer, identity: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(identity))
    await deliver_once(f"smtp://careslot%40x:p%3Ass%20word@127.0.0.1:{guarded.port}?tls=starttls", timeout_seconds=5, mail=a_mail())
    assert guarded.deliveries == [(True, b"careslot@x")]


async def test_a_server_with_an_untrusted_certificate_gets_neither_password_nor_mail(guarded: GuardedServer) -> None:
    with pytest.raises(MailDeferred):
        await deliver_once(f"smtp://careslot%40x:p%3Ass%20word@127.0.0.1:{guarded.port}?tls=starttls", timeout_seconds=5, mail=a_mail())
    assert guarded.deliveries == []


@pytest.mark.parametrize("url", ["smtp://careslot:wrong@127.0.0.1:{}?tls=starttls", "smtp://127.0.0.1:{}"])
async def test_a_mail_is_deferred_without_the_right_password(
    guarded: GuardedServer, identity: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(identity))
    with pytest.raises(MailDeferred):
        await deliver_once(url.format(guarded.port), timeout_seconds=5, mail=a_mail())
    assert guarded.deliveries == []


def test_a_server_that_does_not_answer_quit_keeps_no_connection_open(
    guarded: GuardedServer, identity: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event loop ends with the delivery, so a connection that is still open raises a ResourceWarning when it is collected."""
    monkeypatch.setenv("SSL_CERT_FILE", str(identity))
    guarded.pause_seconds = 0.5
    mailbox = SmtpMailbox(f"smtp://careslot:wrong@127.0.0.1:{guarded.port}?tls=starttls", timeout_seconds=5)
    gc.collect()
    with warnings.catch_warnings(record=True, action="always", category=ResourceWarning) as caught:
        with pytest.raises(MailDeferred):
            asyncio.run(mailbox.deliver(a_mail()))
        gc.collect()
    assert [str(warning.message) for warning in caught] == []
