"""Which paths exist at the door, and whose they are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_svc.domain.paths import is_canonical, is_plain
from gateway_svc.domain.table import TABLE, entry_of
from shared.contracts.identity import Service

WHOSE = {
    "/auth/login": Service.AUTH,
    "/auth/token": Service.AUTH,
    "/.well-known/jwks.json": Service.AUTH,
    "/patients/me": Service.PATIENT,
    "/doctors": Service.DOCTOR,
    "/doctors/4/schedules": Service.DOCTOR,
    "/doctors/4/slots": Service.SCHEDULING,
    "/doctors/{doctor_id}/slots": Service.SCHEDULING,
    "/doctors/4/leaves": Service.SCHEDULING,
    "/doctors/4/leaves/preview": Service.SCHEDULING,
    "/doctors/{doctor_id}/leaves/{leave_id}": Service.SCHEDULING,
    "/doctors/slots": Service.DOCTOR,
    "/doctors/leaves": Service.DOCTOR,
    "/services": Service.DOCTOR,
    "/specialties": Service.DOCTOR,
    "/slots": Service.SCHEDULING,
    "/slots/earliest": Service.SCHEDULING,
    "/holds/3/extend": Service.SCHEDULING,
    "/calendar": Service.SCHEDULING,
    "/calendar/feed/-aZ_09.ics": Service.SCHEDULING,
    "/appointments/7/cancel": Service.APPOINTMENT,
    "/admin/closures": Service.SCHEDULING,
    "/admin/closures/5": Service.SCHEDULING,
    "/admin/users": Service.ADMIN,
}
NOBODYS = [
    "/",
    "/internal",
    "/internal/accounts/1",
    "/livez",
    "/readyz",
    "/metrics",
    "/openapi.json",
    "/docs",
    "/status",
    "/authx",
    "/holdsx",
    "/calendar.ics",
    "/Auth",
]
TRICKS = [
    b"",
    b"internal",
    b"//internal",
    b"/auth//internal",
    b"/auth/",
    b"/auth/.",
    b"/auth/..",
    b"/auth/../internal/accounts",
    b"/auth/./login",
    b"/auth/%2e%2e/internal",
    b"/auth/%2E%2E/internal",
    b"/auth/..%2finternal",
    b"/auth%2f..%2finternal",
    b"/auth/..%5cinternal",
    b"/auth/..\\internal",
    b"/auth\\..\\internal",
    b"/%69nternal",
    b"/auth/login%00",
    b"/auth/login\x00",
    b"/auth;/../internal",
    b"/auth/..;/internal",
    b"/auth/login?x",
    b"/auth/login#x",
    b"/auth/login x",
    b"/auth/login\r\nX: y",
    b"/auth/\xc0\xae\xc0\xae/internal",
    b"/auth/%c0%ae%c0%ae/internal",
    b"/auth/\xe2\x80\xa5/internal",
    b"/auth/login\n",
    b"http://auth-service:8001/internal",
    b"*",
]


@pytest.mark.parametrize(("path", "service"), WHOSE.items())
def test_every_path_has_its_service(path: str, service: Service) -> None:
    entry = entry_of(path)
    assert entry is not None
    assert entry.service is service


@pytest.mark.parametrize("path", NOBODYS)
def test_what_is_not_in_the_table_goes_nowhere(path: str) -> None:
    assert entry_of(path) is None


def test_no_entry_leads_into_what_is_internal_or_hides_another() -> None:
    assert not any(set(entry.segments) & {"internal", "livez", "readyz", "metrics", "openapi.json"} for entry in TABLE)
    assert all(entry_of(entry.path) is entry for entry in TABLE)


@pytest.mark.parametrize("raw", TRICKS)
def test_a_path_that_can_be_read_in_two_ways_does_not_exist(raw: bytes) -> None:
    assert not is_canonical(raw)


@pytest.mark.parametrize("raw", [b"/", *map(str.encode, [*WHOSE, *NOBODYS]), b"/a/...", b"/a/.b", b"/a/b..", b"/a~b/-_."])
def test_a_plain_path_is_canonical(raw: bytes) -> None:
    assert is_canonical(raw.replace(b"{doctor_id}", b"1").replace(b"{leave_id}", b"2"))


@given(st.binary(max_size=40).map(lambda tail: b"/auth/" + tail))
def test_a_canonical_path_is_its_own_normal_form(raw: bytes) -> None:
    from posixpath import normpath
    from urllib.parse import unquote_to_bytes

    if is_canonical(raw):
        assert normpath(unquote_to_bytes(raw)) == raw
        assert raw.startswith(b"/auth/")


def test_a_query_stays_on_its_line() -> None:
    assert is_plain(b"q=a%20b&x=%0d%0a&y=[]|")
    assert not any(is_plain(query) for query in (b"a b", b"a\r\nb", b"a\tb", b"a\x00", b"\xff"))
