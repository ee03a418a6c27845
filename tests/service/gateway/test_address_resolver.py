"""How the addresses of instances are resolved."""

from __future__ import annotations

from gateway_svc.clients.addresses import DnsAddressResolver
from gateway_svc.ports import InstanceAddress
from shared.contracts.identity import Service


async def test_every_address_behind_the_urls_is_an_instance_once() -> None:
    urls = ["http://127.0.0.1:8003", "http://127.0.0.2:8003", "http://127.0.0.1:8003", "https://localhost"]
    addresses = await DnsAddressResolver(lambda _: urls).resolve(Service.DOCTOR)
    assert InstanceAddress("127.0.0.1", 8003, "127.0.0.1:8003") in addresses
    assert InstanceAddress("127.0.0.2", 8003, "127.0.0.2:8003") in addresses
    assert {(address.port, address.tls) for address in addresses if address.name == "localhost"} == {(443, True)}
    assert len(addresses) == len(set(addresses))


async def test_a_name_that_cannot_be_resolved_has_no_addresses() -> None:
    assert await DnsAddressResolver(lambda _: ["http://unknown.invalid:8003"]).resolve(Service.DOCTOR) == []
