"""Where the instances are."""

from __future__ import annotations

from gateway_svc.clients.addresses import ResolvedAddresses
from gateway_svc.ports import Address
from shared.contracts.identity import Service


async def test_every_url_counts_once_and_a_name_stands_for_all_its_addresses() -> None:
    urls = ["http://127.0.0.1:8003", "http://127.0.0.2:8003", "http://127.0.0.1:8003", "https://localhost"]
    found = await ResolvedAddresses(lambda _: urls).of(Service.DOCTOR)
    assert Address("127.0.0.1", 8003, "127.0.0.1:8003") in found
    assert Address("127.0.0.2", 8003, "127.0.0.2:8003") in found
    assert {(each.port, each.tls) for each in found if each.name == "localhost"} == {(443, True)}
    assert len(found) == len(set(found))


async def test_a_name_that_means_nothing_has_no_addresses() -> None:
    assert await ResolvedAddresses(lambda _: ["http://nobody.invalid:8003"]).of(Service.DOCTOR) == []
