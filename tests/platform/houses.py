"""The whole platform in each way of running it: embedded, distributed and composed, with real processes, sockets and mails."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import aio_pika
import httpx
from aiosmtpd.controller import Controller
from sqlalchemy.engine import make_url

from careslot.folder import new_record_key
from careslot.services import PACKAGES, migrate
from shared.contracts.identity import Service
from shared.kit.bus import DELAYS_SECONDS, EXCHANGE
from shared.kit.rabbit_retries import queue_names
from tests.conftest import mysql_cursor
from tests.servers import server

ADMIN = {"email": "admin@clinic.example", "password": "correct horse battery staple"}
RATE_SCALE = {"GATEWAY_RATE_SCALE": "1000"}  # the tests send more requests from one address than the limits allow
RECEPTION = {"APPOINTMENT_RECEPTION_MAY_OVERRIDE": "overbook"}
TIMEOUT_SECONDS = 120  # a start takes six seconds on an idle machine, and much longer while other tests run
PORTS = range(20_000, 32_000)  # below the ports of outgoing connections, so that a free port is still free when its server starts


class Platform(Protocol):
    """A running platform. `url` is the URL of the gateway, `time_zone` that of the clinic."""

    url: str
    time_zone: str

    def mails(self) -> list[dict[str, Any]]:
        """Return all mails sent so far, in the form of `GET /dev/mailbox`."""

    def run_until_idle(self) -> None:
        """Run all background work where that is possible. Distributed platforms return at once; their tests wait for the effect."""


def free_port() -> int:
    """Return a port on which no process listens."""
    while True:
        port = random.choice(PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def wait_until(condition: Callable[[], Any], seconds: float = TIMEOUT_SECONDS) -> Any:
    """Call `condition` until it returns a truthy value, and return that. Raises AssertionError after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        with suppress(httpx.TransportError):
            if value := condition():
                return value
        assert time.monotonic() < deadline, f"the condition was not met within {seconds} s"
        time.sleep(0.05)


def accept_interrupts() -> None:
    """Let SIGINT end the process. A shell that runs the tests in the background has them ignore it, and children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Process:
    """A child process that the test may kill."""

    def __init__(self, *arguments: str, environment: dict[str, str], log: Path) -> None:
        self._log, self._file = log, log.open("ab")
        self._child = subprocess.Popen(
            arguments, env=os.environ | environment, stdout=self._file, stderr=self._file, preexec_fn=accept_interrupts
        )

    def wait_until(self, condition: Callable[[], Any]) -> None:
        """Wait for `condition`. Raises AssertionError with the end of the log when the process ends before that, or takes too long."""
        try:
            wait_until(lambda: self._child.poll() is not None or condition())
            assert self._child.poll() is None, f"the process ended with code {self._child.returncode}"
        except AssertionError as error:
            self.kill()
            raise AssertionError(f"{error}\n{self._log.read_text()[-3000:]}") from None

    def wait_until_ready(self, url: str) -> None:
        """Wait until `/readyz` answers with success."""
        self.wait_until(lambda: httpx.get(f"{url}/readyz").is_success)

    def kill(self) -> None:
        """Send SIGKILL and wait until the process has ended."""
        self._child.kill()
        self._child.wait()
        self._file.close()

    def end(self) -> int:
        """Send SIGINT and return the exit code."""
        self._child.send_signal(signal.SIGINT)
        try:
            code = self._child.wait(30)
        finally:
            self.kill()
        return code


class Embedded:
    """`careslot serve --dev` with a data folder."""

    time_zone = "Asia/Tokyo"

    def __init__(self, data: Path) -> None:
        self.data, self.port = data, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = data.parent / f"{data.name}.log"

    def start(self) -> None:
        admin = {"CARESLOT_BOOTSTRAP_ADMIN_EMAIL": ADMIN["email"], "CARESLOT_BOOTSTRAP_ADMIN_PASSWORD": ADMIN["password"]}
        arguments = ("-m", "careslot", "serve", "--dev", "--port", str(self.port), "--data", str(self.data))
        environment = admin | RATE_SCALE | RECEPTION | {"CARESLOT_TIME_ZONE": self.time_zone}
        self.process = Process(sys.executable, *arguments, environment=environment, log=self.log)
        self.process.wait_until_ready(self.url)

    def __enter__(self) -> Embedded:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.process.kill()

    def mails(self) -> list[dict[str, Any]]:
        self.run_until_idle()
        return list(httpx.get(f"{self.url}/dev/mailbox", timeout=30).json())

    def run_until_idle(self) -> None:
        httpx.post(f"{self.url}/dev/settle", timeout=60).raise_for_status()


class Distributed:
    """A uvicorn process for each instance of each service, with MariaDB, a MongoDB-protocol server, RabbitMQ and SMTP.

    `instances` gives the number of instances of a service, one by default.
    """

    time_zone = "Asia/Tokyo"

    def __init__(self, folder: Path, instances: dict[Service, int] | None = None, amqp_url: str | None = None) -> None:
        self.folder, self.name = folder, uuid4().hex[:10]
        self.mysql, self.mongo, self.broker = server("MYSQL"), server("MONGO"), server("AMQP")
        self.ports = {service: [free_port() for _ in range((instances or {}).get(service, 1))] for service in PACKAGES}
        self.url = f"http://127.0.0.1:{self.ports[Service.GATEWAY][0]}"
        self.smtp = SmtpServer()
        self.environment = self._environment(amqp_url or self.broker)
        self.processes: dict[tuple[Service, int], Process] = {}

    def start(self) -> None:
        self.smtp.start()
        for service, url in self._stores().items():
            migrate(service, url)
        for service, ports in self.ports.items():
            for number in range(len(ports)):
                self.start_instance(service, number)
        for (service, number), process in self.processes.items():
            process.wait_until_ready(f"http://127.0.0.1:{self.ports[service][number]}")

    def start_instance(self, service: Service, number: int = 0) -> None:
        arguments = ["-m", "uvicorn", "--factory", f"{PACKAGES[service]}.main:create_app", "--port", str(self.ports[service][number])]
        arguments += ["--no-access-log", "--no-proxy-headers", "--no-server-header"]
        arguments += ["--http", "gateway_svc.routes.listener:Listener"] if service is Service.GATEWAY else []
        log = self.folder / f"{service}-{number}.log"
        self.processes[service, number] = Process(sys.executable, *arguments, environment=self.environment, log=log)

    def __enter__(self) -> Distributed:
        try:
            self.start()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.end()

    def stop_instances(self) -> None:
        for process in self.processes.values():
            process._child.terminate()
        for process in self.processes.values():
            with suppress(subprocess.TimeoutExpired):
                process._child.wait(15)
            process.kill()

    def end(self) -> None:
        self.stop_instances()
        self.smtp.stop()
        self._delete_data()

    def mails(self) -> list[dict[str, Any]]:
        return [mailbox_entry(message) for message in self.smtp.messages]

    def run_until_idle(self) -> None:
        """Return at once, because the test cannot wait for the background work of other processes."""

    def _stores(self) -> dict[Service, str]:
        sql, stores = make_url(self.mysql), {}
        with mysql_cursor(self.mysql) as cursor:
            for service in PACKAGES.keys() - {Service.GATEWAY, Service.APPOINTMENT}:
                database = f"{service.prefix.lower()}_{self.name}"
                cursor.execute(f"CREATE DATABASE IF NOT EXISTS {database} CHARACTER SET utf8mb4")
                stores[service] = sql.set(database=database).render_as_string(hide_password=False)
        return stores | {Service.APPOINTMENT: f"{self.mongo.rstrip('/')}/appointment_{self.name}"}

    def _delete_data(self) -> None:
        delete_queues_and_exchange(self.broker, f"{self.name}.")
        with mysql_cursor(self.mysql) as cursor:
            for service in PACKAGES.keys() - {Service.GATEWAY, Service.APPOINTMENT}:
                cursor.execute(f"DROP DATABASE IF EXISTS {service.prefix.lower()}_{self.name}")

    def _environment(self, amqp_url: str) -> dict[str, str]:
        variables = {
            "CARESLOT_ENV": "test",
            "CARESLOT_BUS_URL": amqp_url,
            "CARESLOT_BUS_NAMESPACE": f"{self.name}.",
            "CARESLOT_TIME_ZONE": self.time_zone,
            "CARESLOT_BOOTSTRAP_ADMIN_EMAIL": ADMIN["email"],
            "CARESLOT_BOOTSTRAP_ADMIN_PASSWORD": ADMIN["password"],
            "AUTH_KEY_SECRET": f"{uuid4().hex}{uuid4().hex}",
            "PATIENT_RECORD_KEYS": new_record_key("1"),
            "ADMIN_IMPORT_KEY": f"{uuid4().hex}{uuid4().hex}",
            "APPOINTMENT_LINK_SECRET": f"{uuid4().hex}{uuid4().hex}",
            "NOTIFY_LINK_SECRET": f"{uuid4().hex}{uuid4().hex}",
            "NOTIFY_MAIL_URL": f"smtp://127.0.0.1:{self.smtp.port}",
            "NOTIFY_MAIL_FROM": "clinic@careslot.example",
        }
        variables |= RATE_SCALE | RECEPTION
        for service, ports in self.ports.items():
            variables[f"{service.prefix}_URLS"] = ",".join(f"http://127.0.0.1:{port}" for port in ports)
            variables[f"{service.prefix}_CLIENT_SECRET"] = f"{uuid4().hex}{uuid4().hex}"
        return variables | {f"{service.prefix}_DATABASE_URL": url for service, url in self._stores().items()}


class Composed:
    """A platform that `docker compose up` started, with Mailpit as its mailbox."""

    def __init__(self, url: str, mailpit: str = "http://127.0.0.1:8025") -> None:
        self.url, self.time_zone = url, os.environ.get("CARESLOT_TIME_ZONE", "UTC")
        self._mailpit = httpx.Client(base_url=f"{mailpit}/api/v1", timeout=30)
        self._entries: dict[str, dict[str, Any]] = {}

    def __del__(self) -> None:
        self._mailpit.close()

    def mails(self) -> list[dict[str, Any]]:
        listed = self._mailpit.get("/messages", params={"limit": 1000}).json()["messages"]
        for item in reversed(listed):
            if item["ID"] not in self._entries:
                raw = self._mailpit.get(f"/message/{item['ID']}/raw").content
                message = message_from_bytes(raw, policy=policy.default)
                assert isinstance(message, EmailMessage)
                self._entries[item["ID"]] = mailbox_entry(message)
        return list(self._entries.values())

    def count_mails(self, email: str) -> int:
        """Return the number of mails to an address, without reading them."""
        return int(self._mailpit.get("/search", params={"query": f'to:"{email}"'}).json()["messages_count"])

    def run_until_idle(self) -> None:
        """Return at once, because the test cannot wait for the background work of other processes."""


class SmtpServer:
    """An SMTP server that keeps the messages it receives."""

    def __init__(self) -> None:
        self.port, self.messages, self.envelopes = free_port(), list[EmailMessage](), list[Any]()
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)

    def start(self) -> None:
        self._controller.start()

    def stop(self) -> None:
        self._controller.stop()

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.messages.append(message)
        self.envelopes.append(envelope)
        return "250 OK"


def mailbox_entry(message: EmailMessage) -> dict[str, Any]:
    """Return a message in the form of `GET /dev/mailbox`."""
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    attachments = [
        {"filename": part.get_filename(), "content_type": part.get_content_type(), "content": part.get_content()}
        for part in message.iter_attachments()
    ]
    return {
        "to": str(message["to"]),
        "subject": str(message["subject"]),
        "text": text.get_content() if text else "",
        "html": html.get_content() if html else None,
        "attachments": attachments,
        "message_id": str(message["message-id"]),
    }


def delete_queues_and_exchange(amqp_url: str, namespace: str) -> None:
    """Delete a platform's queues and exchange from the shared broker."""

    async def delete() -> None:
        async with await aio_pika.connect(amqp_url) as connection:
            for service in PACKAGES:
                channel = await connection.channel()
                for name in queue_names(f"{namespace}{service}", DELAYS_SECONDS):
                    await channel.queue_delete(name)
            await channel.exchange_delete(f"{namespace}{EXCHANGE}")

    asyncio.run(delete())
