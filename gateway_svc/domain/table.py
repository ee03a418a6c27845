"""The routing table: which service answers which paths. What is not here is the gateway's own, or nobody's."""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.contracts.identity import Service


@dataclass(frozen=True, slots=True)
class Entry:
    """Everything at `path` and below it belongs to `service`; `{id}` stands for one segment.

    A bearer token is checked at the door, except where `checked` is False: the token endpoint answers as RFC 6749
    has it, and clients may send it their own credentials as Basic.
    """

    path: str
    service: Service
    checked: bool = True
    segments: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "segments", tuple(self.path.split("/")[1:]))

    def covers(self, segments: list[str]) -> bool:
        own = self.segments
        return len(segments) >= len(own) and all(mine in ("{id}", given) for mine, given in zip(own, segments, strict=False))


# The first entry that covers a path has it.
TABLE = (
    Entry("/auth/token", Service.AUTH, checked=False),
    Entry("/auth", Service.AUTH),
    Entry("/.well-known", Service.AUTH),
    Entry("/patients", Service.PATIENT),
    Entry("/doctors/{id}/slots", Service.SCHEDULING),
    Entry("/doctors/{id}/leaves", Service.SCHEDULING),
    Entry("/doctors", Service.DOCTOR),
    Entry("/services", Service.DOCTOR),
    Entry("/specialties", Service.DOCTOR),
    Entry("/slots", Service.SCHEDULING),
    Entry("/holds", Service.SCHEDULING),
    Entry("/calendar", Service.SCHEDULING),
    Entry("/appointments", Service.APPOINTMENT),
    Entry("/admin/closures", Service.SCHEDULING),
    Entry("/admin", Service.ADMIN),
)
_BY_FIRST = {entry.segments[0]: tuple(other for other in TABLE if other.segments[0] == entry.segments[0]) for entry in TABLE}
ROUTED = tuple(dict.fromkeys(entry.service for entry in TABLE))


def entry_of(path: str) -> Entry | None:
    """The entry of a canonical path (or of a path template), None where no service has it."""
    segments = path.split("/")[1:]
    return next((entry for entry in _BY_FIRST.get(segments[0], ()) if entry.covers(segments)), None)
