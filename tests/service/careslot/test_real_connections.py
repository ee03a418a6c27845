"""The command line against real sockets: certificates, servers that are none, and a certificate authority of the clinic's own."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from typer.testing import CliRunner, Result

from careslot.cli import app
from careslot.client.environment import ClientEnvironment, Terminals
from shared.kit.clock import system_clock
from tests.platform.houses import free_port


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A file with the key and the certificate of 127.0.0.1, which it signs itself."""
    key, now = ec.generate_private_key(ec.SECP256R1()), system_clock()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "clinic")])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "certificate.pem"
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    return path


class DoctorList(BaseHTTPRequestHandler):
    """Answers every GET with a list of no doctors."""

    def do_GET(self) -> None:
        body = json.dumps({"items": [], "next": None}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *_arguments: object) -> None:
        """Log nothing."""


class QuietServer(ThreadingHTTPServer):
    """A server that says nothing about clients that give up, such as those that do not trust its certificate."""

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore the error."""


@contextmanager
def served(certificate: Path | None = None) -> Iterator[int]:
    """Run a server, with TLS if there is a certificate. Yields its port."""
    server = QuietServer(("127.0.0.1", 0), DoctorList)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def list_doctors(url: str, folder: Path) -> Result:
    """Run `careslot doctors --json`, without pauses between attempts."""
    environment = ClientEnvironment(folder / "careslot", Terminals(False, False, False), {}, sleep=lambda _seconds: None)
    return CliRunner().invoke(app, ["doctors", "--json", "--url", url], obj=environment, catch_exceptions=False)


def test_a_certificate_that_is_not_trusted_is_named(certificate: Path, tmp_path: Path) -> None:
    with served(certificate) as port:
        ran = list_doctors(f"https://127.0.0.1:{port}", tmp_path)
    assert (ran.exit_code, ran.stdout) == (4, "")
    detail = json.loads(ran.stderr)["detail"]
    assert "its certificate is not trusted (self-signed certificate" in detail


def test_an_authority_of_the_clinics_own_can_be_trusted(certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with served(certificate) as port:
        ran = list_doctors(f"https://127.0.0.1:{port}", tmp_path)
    assert (ran.exit_code, json.loads(ran.stdout)) == (0, {"items": [], "next": None})


def test_https_to_a_server_without_tls_is_explained(tmp_path: Path) -> None:
    with served() as port:
        assert list_doctors(f"http://127.0.0.1:{port}", tmp_path).exit_code == 0
        ran = list_doctors(f"https://127.0.0.1:{port}", tmp_path)
    assert ran.exit_code == 4
    assert "Check http and https in the address." in json.loads(ran.stderr)["detail"]


def test_http_to_a_server_with_tls_and_a_port_without_a_server_end_the_command(certificate: Path, tmp_path: Path) -> None:
    with served(certificate) as port:
        assert list_doctors(f"http://127.0.0.1:{port}", tmp_path).exit_code == 4
    assert list_doctors(f"http://127.0.0.1:{free_port()}", tmp_path).exit_code == 4
