"""Which paths exist, and which service is responsible for them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_svc.domain.paths import is_canonical_path, is_valid_query
from gateway_svc.domain.routing_table import ROUTING_TABLE, find_routing_entry
from shared.contracts.identity import Service

SERVICE_OF_PATH = {
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
PATHS_OF_NO_SERVICE = [
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
AMBIGUOUS_PATHS = [
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
CANONICAL_PATHS = [
    b"/",
    *map(str.encode, [*SERVICE_OF_PATH, *PATHS_OF_NO_SERVICE]),
    b"/a/...",
    b"/a/.b",
    b"/a/b..",
    b"/a~b/-_.",
]


@pytest.mark.parametrize(("path", "service"), SERVICE_OF_PATH.items())
def test_every_path_has_its_service(path: str, service: Service) -> None:
    entry = find_routing_entry(path)
    assert entry is not None
    assert entry.service is service


@pytest.mark.parametrize("path", PATHS_OF_NO_SERVICE)
def test_a_path_outside_the_table_has_no_service(path: str) -> None:
    assert find_routing_entry(path) is None


def test_no_entry_covers_internal_paths_or_hides_another_entry() -> None:
    assert not any(set(entry.segments) & {"internal", "livez", "readyz", "metrics", "openapi.json"} for entry in ROUTING_TABLE)
    assert all(find_routing_entry(entry.path) is entry for entry in ROUTING_TABLE)


@pytest.mark.parametrize("raw", AMBIGUOUS_PATHS)
def test_an_ambiguous_path_is_not_canonical(raw: bytes) -> None:
    assert not is_canonical_path(raw)


@pytest.mark.parametrize("raw", CANONICAL_PATHS)
def test_a_plain_path_is_canonical(raw: bytes) -> None:
    assert is_canonical_path(raw.replace(b"{doctor_id}", b"1").replace(b"{leave_id}", b"2"))


@given(st.binary(max_size=40).map(lambda tail: b"/auth/" + tail))
def test_a_canonical_path_is_unchanged_by_decoding_and_normalising(raw: bytes) -> None:
    from posixpath import normpath
    from urllib.parse import unquote_to_bytes

    if is_canonical_path(raw):
        assert normpath(unquote_to_bytes(raw)) == raw
        assert raw.startswith(b"/auth/")


def test_a_query_with_spaces_or_line_ends_is_not_valid() -> None:
    assert is_valid_query(b"q=a%20b&x=%0d%0a&y=[]|")
    assert not any(is_valid_query(query) for query in (b"a b", b"a\r\nb", b"a\tb", b"a\x00", b"\xff"))


@pytest.mark.parametrize(
    ("path", "is_checked"), [("/calendar/feed/abc.ics", False), ("/calendar/feed", True), ("/auth/token", False), ("/auth/me", True)]
)
def test_credentials_of_a_calendar_program_are_not_checked(path: str, is_checked: bool) -> None:
    entry = find_routing_entry(path)
    assert entry is not None
    assert entry.checks_token is is_checked


def test_only_the_token_endpoint_has_the_errors_of_oauth() -> None:
    assert [entry.path for entry in ROUTING_TABLE if entry.has_token_errors] == ["/auth/token"]
