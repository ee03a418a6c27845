"""Processes are killed while patients book: no confirmed booking is lost, and no mail is sent twice."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from shared.contracts.identity import Service
from tests.faults.booking_load import BookingLoad
from tests.faults.breakable_proxy import BreakableProxy
from tests.platform.audited_clinic import run_verify
from tests.platform.houses import Distributed, Embedded
from tests.servers import server


@pytest.mark.xdist_group("embedded")
def test_bookings_survive_when_the_embedded_platform_is_killed(tmp_path: Path) -> None:
    with Embedded(tmp_path / "data") as platform:
        load = BookingLoad(platform)
        load.start()
        for _ in range(3):
            load.wait_for_responses(8)
            platform.process.kill()
            platform.start()
        load.finish()
        load.check_bookings()
        load.check_mails()
        assert run_verify(platform, patience_seconds=30)[1]["faults"] == []
        assert platform.process.end() == 0


@pytest.mark.xdist_group("distributed")
@pytest.mark.needs_servers("MYSQL", "MONGO", "AMQP")
def test_bookings_survive_when_one_of_two_appointment_services_is_killed(tmp_path: Path) -> None:
    platform = Distributed(tmp_path, {Service.APPOINTMENT: 2, Service.SCHEDULING: 2, Service.NOTIFICATION: 2})
    try:
        platform.start()
        load = BookingLoad(platform)
        load.start()
        for number in (0, 1, 0):
            load.wait_for_responses(8)
            platform.processes[Service.APPOINTMENT, number].kill()
            platform.start_instance(Service.APPOINTMENT, number)
        load.finish()
        load.check_bookings()
        load.check_mails()
        assert run_verify(platform, patience_seconds=30)[1]["faults"] == []
    finally:
        platform.end()


@pytest.mark.xdist_group("distributed")
@pytest.mark.needs_servers("MYSQL", "MONGO", "AMQP")
def test_bookings_continue_without_the_broker_and_their_mails_are_sent_later(tmp_path: Path) -> None:
    broker = server("AMQP")
    address = urlsplit(broker)
    proxy = BreakableProxy(address.hostname or "127.0.0.1", address.port or 5672)
    platform = Distributed(tmp_path, amqp_url=broker.replace(f":{address.port}", f":{proxy.port}"))
    try:
        platform.start()
        load = BookingLoad(platform, patients=2, bookings=10)
        proxy.disconnect()
        load.start()
        load.finish()
        assert [mail for mail in platform.mails() if load.patients[0].account["email"] in mail["to"]] == []
        proxy.reconnect()
        load.check_bookings()
        load.check_mails()
        assert run_verify(platform, patience_seconds=30)[1]["faults"] == []
    finally:
        platform.end()
        proxy.close()
