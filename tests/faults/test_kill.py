"""Processes die in the middle of bookings; nothing that was answered is lost, nothing is done twice."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from shared.contracts.identity import Service
from tests.faults.cable import Cable
from tests.faults.rush import Rush
from tests.platform.houses import Distributed, Embedded
from tests.servers import server


@pytest.mark.xdist_group("embedded")
def test_the_whole_embedded_house_is_killed_while_patients_book(tmp_path: Path) -> None:
    with Embedded(tmp_path / "data") as house:
        rush = Rush(house)
        rush.start()
        for _ in range(3):
            rush.wait_for(8)
            house.process.kill()
            house.start()
        rush.finish()
        rush.balance()
        rush.mailed_once()
        assert house.process.end() == 0


@pytest.mark.xdist_group("distributed")
@pytest.mark.needs_servers("MYSQL", "MONGO", "AMQP")
def test_one_appointment_service_of_two_is_killed_while_patients_book(tmp_path: Path) -> None:
    house = Distributed(tmp_path, {Service.APPOINTMENT: 2, Service.SCHEDULING: 2, Service.NOTIFICATION: 2})
    try:
        house.start()
        rush = Rush(house)
        rush.start()
        for number in (0, 1, 0):
            rush.wait_for(8)
            house.processes[Service.APPOINTMENT, number].kill()
            house.start_one(Service.APPOINTMENT, number)
        rush.finish()
        rush.balance()
        rush.mailed_once()
    finally:
        house.end()


@pytest.mark.xdist_group("distributed")
@pytest.mark.needs_servers("MYSQL", "MONGO", "AMQP")
def test_bookings_go_on_while_the_broker_is_gone_and_their_mails_come_later(tmp_path: Path) -> None:
    broker = server("AMQP")
    far = urlsplit(broker)
    cable = Cable(far.hostname or "127.0.0.1", far.port or 5672)
    house = Distributed(tmp_path, amqp_url=broker.replace(f":{far.port}", f":{cable.port}"))
    try:
        house.start()
        rush = Rush(house, patients=2, wishes=10)
        cable.cut()
        rush.start()
        rush.finish()
        assert [mail for mail in house.mails() if rush.patients[0].account["email"] in mail["to"]] == []
        cable.mend()
        rush.balance()
        rush.mailed_once()
    finally:
        house.end()
        cable.close()
