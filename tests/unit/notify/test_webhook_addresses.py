"""Where webhooks may be sent."""

from __future__ import annotations

import ipaddress

import pytest

from notify_svc.domain.webhook_addresses import AddressPolicy, is_global_unicast
from notify_svc.domain.webhook_refusals import AddressNotAllowed

PUBLIC, PRIVATE_TOO = AddressPolicy(), AddressPolicy(allows_private=True)
NOT_PUBLIC = [
    "0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1", "172.31.255.255",
    "192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.1.1.1",
    "240.0.0.1", "255.255.255.255",
    "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:a9fe:a9fe", "64:ff9b::7f00:1", "64:ff9b::169.254.169.254",
    "64:ff9b:1::a00:1", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::", "2002:808:808::1", "fc00::1", "fd00:ec2::254", "fe80::1",
    "fe80::1%eth0", "fec0::1", "ff02::1", "3fff::1",
]  # fmt: skip
PUBLIC_ADDRESSES = ["1.1.1.1", "8.8.8.8", "100.63.255.255", "172.32.0.1", "2606:4700:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"]


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_an_address_that_is_not_global_unicast_is_refused(address: str) -> None:
    with pytest.raises(AddressNotAllowed):
        PUBLIC.check_address(address)


@pytest.mark.parametrize("address", PUBLIC_ADDRESSES)
def test_a_public_address_is_allowed(address: str) -> None:
    PUBLIC.check_address(address)
    assert is_global_unicast(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "http://receiver.example/",
        "ftp://receiver.example/",
        "https://user:secret@receiver.example/",
        "https://user@receiver.example/",
        "https://receiver.example/#part",
        "https://receiver.example:22/",
        "https://receiver.example:0/",
        "https://receiver.example:99999/",
        "https://receiver.example\\@127.0.0.1/",
        "https://münchen.example/",
        "https://re%63eiver.example/",
        "https:///path",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.1/",
        "https://0177.0.0.1/",
        "https://0/",
        "https://127.0.0.1./",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/",
        "https://[fe80::1%25eth0]/",
        "https://[64:ff9b::10.0.0.1]/",
        "https://169.254.169.254/latest/meta-data/",
        "https://receiver.example/" + "a" * 1000,
        "https://a..example/",
        "https://.example/",
        "https://../",
        "https://-/",
        "https://-a.example/",
        "https://a-.example/",
        "https://127..1/",
        "https://127.0.0.1..example/",
        "https://1.2.3.0x4g.5/",
        "https://" + "a" * 64 + ".example/",
        "https://" + "a.abc" * 60 + "/",
        "https://localhost/",
        "https://LOCALHOST./",
        "https://printer.local/",
        "https://db.internal/",
        "https://a.invalid/",
        "https://intranet/",
    ],
)
def test_a_url_that_names_no_public_host_is_refused(url: str) -> None:
    with pytest.raises(AddressNotAllowed) as refused:
        PUBLIC.check_url(url)
    assert refused.value.facts["pointer"] == "/url"


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://receiver.example", "receiver.example"),
        ("https://Receiver.Example:8443/a?b=c", "receiver.example"),
        ("https://a_b.1-2.example./", "a_b.1-2.example."),
        ("https://127.0.0.1.example/", "127.0.0.1.example"),
        ("https://xn--mnchen-3ya.example/", "xn--mnchen-3ya.example"),
        ("https://8.8.8.8/", "8.8.8.8"),
        ("https://[2606:4700:4700::1111]/", "2606:4700:4700::1111"),
    ],
)
def test_a_url_of_a_public_host_is_allowed(url: str, host: str) -> None:
    assert PUBLIC.check_url(url) == host


def test_private_addresses_http_and_every_port_are_allowed_for_development() -> None:
    for url in ("http://127.0.0.1:81/", "http://localhost/", "https://[::1]/", "http://web_1:8080/"):
        PRIVATE_TOO.check_url(url)
    with pytest.raises(AddressNotAllowed):
        PRIVATE_TOO.check_url("http://user@localhost/")
    with pytest.raises(AddressNotAllowed):
        PRIVATE_TOO.check_url("http://0x7f.1/")
