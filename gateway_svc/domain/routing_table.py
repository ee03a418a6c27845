"""The routing table: which service is responsible for which paths. Any other path belongs to the gateway itself or does not exist."""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.contracts.identity import Service

MAX_BODY_BYTES = 64 * 1024
MAX_FILE_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class RoutingEntry:
    """`service` is responsible for `path` and all paths below it; `{id}` stands for any one segment.

    The gateway checks a bearer token that comes with the request, unless `checks_token` is False. It is False for the token
    endpoint: clients may send it their own credentials as Basic, and it answers as RFC 6749 prescribes. It is False for calendar
    subscriptions, too: some calendar programs send credentials of another account, and the link alone grants access.
    `max_body_bytes` is the size of the largest request body, and `upload_seconds` is added to the time that a request may take.
    If `has_token_errors` is True, the gateway answers its own refusals as RFC 6749 section 5.2 says, not with problem documents.
    """

    path: str
    service: Service
    checks_token: bool = True
    has_token_errors: bool = False
    max_body_bytes: int = MAX_BODY_BYTES
    upload_seconds: float = 0.0
    segments: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "segments", tuple(self.path.split("/")[1:]))

    def covers(self, segments: list[str]) -> bool:
        """True if a path with these segments is `path` or below it."""
        if len(segments) < len(self.segments):
            return False
        return all(own in ("{id}", segment) for own, segment in zip(self.segments, segments, strict=False))


# The first entry that covers a path is used.
ROUTING_TABLE = (
    RoutingEntry("/auth/token", Service.AUTH, checks_token=False, has_token_errors=True),
    RoutingEntry("/auth", Service.AUTH),
    RoutingEntry("/.well-known", Service.AUTH),
    RoutingEntry("/patients/me/messages", Service.NOTIFICATION),
    RoutingEntry("/patients", Service.PATIENT),
    RoutingEntry("/doctors/{id}/slots", Service.SCHEDULING),
    RoutingEntry("/doctors/{id}/leaves", Service.SCHEDULING),
    RoutingEntry("/doctors/me/preferences", Service.NOTIFICATION),
    RoutingEntry("/doctors", Service.DOCTOR),
    RoutingEntry("/services", Service.DOCTOR),
    RoutingEntry("/specialties", Service.DOCTOR),
    RoutingEntry("/slots", Service.SCHEDULING),
    RoutingEntry("/holds", Service.SCHEDULING),
    RoutingEntry("/calendar/feed/{id}", Service.SCHEDULING, checks_token=False),
    RoutingEntry("/calendar", Service.SCHEDULING),
    RoutingEntry("/appointments", Service.APPOINTMENT),
    RoutingEntry("/visit", Service.APPOINTMENT),
    RoutingEntry("/unsubscribe", Service.NOTIFICATION),
    RoutingEntry("/admin/closures", Service.SCHEDULING),
    RoutingEntry("/admin/dead-letters", Service.NOTIFICATION),
    RoutingEntry("/admin/erasures", Service.PATIENT),
    RoutingEntry("/admin/messages", Service.NOTIFICATION),
    RoutingEntry("/admin/templates", Service.NOTIFICATION),
    RoutingEntry("/admin/doctors/import", Service.ADMIN, max_body_bytes=MAX_FILE_BYTES, upload_seconds=60.0),
    RoutingEntry("/admin/patients/import", Service.ADMIN, max_body_bytes=MAX_FILE_BYTES, upload_seconds=60.0),
    RoutingEntry("/admin", Service.ADMIN),
    RoutingEntry("/clinic", Service.ADMIN),
    RoutingEntry("/webhooks", Service.NOTIFICATION),
)
_ENTRIES_BY_FIRST_SEGMENT = {
    first: tuple(entry for entry in ROUTING_TABLE if entry.segments[0] == first) for first in {entry.segments[0] for entry in ROUTING_TABLE}
}
ROUTED_SERVICES = tuple(dict.fromkeys(entry.service for entry in ROUTING_TABLE))


def find_routing_entry(path: str) -> RoutingEntry | None:
    """Return the entry for a canonical path or a path template; None if no service is responsible for it."""
    segments = path.split("/")[1:]
    return next((entry for entry in _ENTRIES_BY_FIRST_SEGMENT.get(segments[0], ()) if entry.covers(segments)), None)
