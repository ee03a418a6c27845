"""Whose request a request is: the address of the connection, or what trusted proxies say."""

from __future__ import annotations

import pytest

from gateway_svc.domain.client_address import client_address, parse_address, parse_networks

PROXIES = parse_networks("10.0.0.0/8, 192.0.2.7,2001:db8:ffff::/48")


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "client"),
    [
        ("198.51.100.9", [], "198.51.100.9"),
        ("198.51.100.9", ["203.0.113.1"], "198.51.100.9"),  # not from a proxy: the client wrote it
        ("10.0.0.1", ["203.0.113.1"], "203.0.113.1"),
        ("10.0.0.1", ["1.1.1.1", " 203.0.113.1"], "203.0.113.1"),  # the client wrote 1.1.1.1
        ("10.0.0.1", ["1.1.1.1", "203.0.113.1", "192.0.2.7", "10.2.3.4"], "203.0.113.1"),  # three proxies
        ("10.0.0.1", ["10.0.0.9", "203.0.113.1"], "203.0.113.1"),  # the client named a proxy
        ("10.0.0.1", ["10.0.0.9", "10.0.0.8"], "10.0.0.9"),  # a client within the trusted network
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.1", "unknown"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.1", ""], "10.0.0.1"),
        ("::ffff:10.0.0.1", ["::ffff:203.0.113.1"], "203.0.113.1"),  # one address, two spellings
        ("2001:db8:ffff::1", ["[2001:db8::5]:4711"], "2001:db8::5"),
        ("10.0.0.1", ["203.0.113.1:50123"], "203.0.113.1"),
        ("fe80::1%eth0", [], "fe80::1"),
        ("", [], "127.0.0.1"),  # a Unix socket
        ("testclient", ["203.0.113.1"], "127.0.0.1"),
    ],
)
def test_the_client_is_the_last_address_that_no_trusted_proxy_has(peer: str, forwarded_for: list[str], client: str) -> None:
    assert client_address(peer, forwarded_for, PROXIES).text == client


def test_without_trusted_proxies_the_header_is_not_read() -> None:
    assert client_address("127.0.0.1", ["203.0.113.1"], ()).text == "127.0.0.1"


def test_a_whole_64_of_ipv6_counts_as_one_client_and_each_ipv4_address_by_itself() -> None:
    assert [client_address(f"2001:db8:1:2:{host}::1", [], ()).block for host in ("aaaa", "bbbb")] == ["2001:db8:1:2::/64"] * 2
    assert client_address("2001:db8:1:3::1", [], ()).block == "2001:db8:1:3::/64"
    assert client_address("203.0.113.1", [], ()).block == "203.0.113.1"


@pytest.mark.parametrize("text", ["", "x", "1.2.3", "1.2.3.4.5", "1.2.3.4:5:6", "[::1", "::g", "1.2.3.4, 5.6.7.8", "0x7f.1", "1.2.3.04"])
def test_anything_else_is_no_address(text: str) -> None:
    assert parse_address(text) is None or text == "[::1"


@pytest.mark.parametrize("text", ["10.0.0.1/8", "proxy.example", "10.0.0.0/33", "0.0.0.0/0", "::/0", "10.0.0.1;10.0.0.2"])
def test_a_list_of_proxies_names_addresses_and_networks_but_not_all_of_them(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_networks(f"10.0.0.1,{text}")
