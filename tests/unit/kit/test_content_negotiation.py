"""How Accept-Encoding, If-None-Match and Content-Encoding are read."""

from __future__ import annotations

import time

import pytest

from shared.kit.content_negotiation import accepts_gzip, is_encoded, names_entity_tag


@pytest.mark.parametrize(
    "accepted",
    [
        "gzip",
        "GZIP",
        "x-gzip",
        "gzip, deflate, br, zstd",
        "br;q=1.0, gzip;q=0.8, *;q=0.1",
        "*",
        "identity, gzip",
        "identity;q=0, gzip;q=0.001",
        "gzip ; q=1.000",
        "gzip;Q=0.5",
        ",, gzip",
    ],
)
def test_gzip_is_accepted(accepted: str) -> None:
    assert accepts_gzip(accepted)


@pytest.mark.parametrize(
    "refused",
    [
        "",
        " ",
        "identity",
        "br",
        "gzip;q=0",
        "gzip;q=0.0",
        "gzip; q=0.000",
        "gzip;q=0, *",
        "*;q=0",
        "identity;q=1, gzip;q=0.5",
        "gzipped",
        "not-gzip",
        "gzip;q=nan",
        "gzip;q=-1",
        "gzip;q=2",
        "gzip;level=9",
    ],
)
def test_gzip_is_not_accepted(refused: str) -> None:
    assert not accepts_gzip(refused)


@pytest.mark.parametrize("header", ['"7"', 'W/"7"', '"6", "7"', '"6",W/"7"', "*", " * ", ' "7" ', ', "7",', 'x, "7"'])
def test_a_tag_is_named_in_the_weak_comparison(header: str) -> None:
    assert names_entity_tag(header, '"7"')
    assert names_entity_tag(header, 'W/"7"')


@pytest.mark.parametrize("header", ['"70"', '"07"', "7", "'7'", 'w/"7"', '"7', '7"', '"*"', "", '"6" "7"', '"\u00e9"', '*, "6"'])
def test_another_tag_and_a_malformed_one_do_not_name_it(header: str) -> None:
    assert not names_entity_tag(header, '"7"')


def test_identity_is_no_encoding() -> None:
    assert [is_encoded(value) for value in ("", "identity", " Identity , identity", "gzip", "identity, gzip", "x")] == [
        False,
        False,
        False,
        True,
        True,
        True,
    ]


def test_long_headers_are_read_in_linear_time() -> None:
    started = time.perf_counter()
    for header in ('"' * 60_000, "," * 60_000, " ," * 30_000, "gzip;" * 12_000, "q=0" * 20_000):
        accepts_gzip(header)
        names_entity_tag(header, '"7"')
    assert time.perf_counter() - started < 1
