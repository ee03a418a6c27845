"""The responses of reports: JSON with pages, or CSV if `Accept` names `text/csv`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, get_args

from fastapi import Depends, Query, Request, Response

from admin_svc.schemas.reports import OverviewOut, ReportOut
from admin_svc.usecases.reports import Overview, Report
from shared.kit.csv_export import csv_response, wants_csv
from shared.kit.paging import Cursor, decode_cursor, encode_cursor, parse_sort_key
from shared.kit.response_headers import with_next_link

R = TypeVar("R", bound=ReportOut)
MAX_ROWS = 1000


@dataclass(frozen=True, slots=True)
class ReportPaging:
    """The rows that a caller requests: `limit` rows after the row with the key `after`."""

    limit: int
    after: str | None

    def page(self, rows: Sequence[Any]) -> tuple[list[Any], str | None]:
        """Return the rows of the page, and the cursor of the next one."""
        later = [row for row in rows if self.after is None or row.key > self.after]
        items = later[: self.limit]
        return items, encode_cursor((items[-1].key,)) if len(later) > self.limit else None


async def read_paging(limit: Annotated[int, Query(ge=1, le=MAX_ROWS)] = MAX_ROWS, after: Cursor | None = None) -> ReportPaging:
    """Return the page that is requested. Raises BadCursor."""
    return ReportPaging(limit, parse_sort_key(decode_cursor(after), str)[0] if after else None)


UsePaging = Annotated[ReportPaging, Depends(read_paging)]


def report_response(request: Request, response: Response, report: Report[Any], schema: type[R], paging: ReportPaging) -> Any:
    """Return a page of a report in the format that the request prefers."""
    items, cursor = paging.page(report.rows)
    period = report.period
    facts = {"items": items, "total": report.total, "group_by": report.group.value, "next": cursor, "complete": report.complete}
    facts |= {"begins": period.begins, "ends": period.ends, "time_zone": period.time_zone}
    out = with_next_link(request, response, schema.model_validate(facts))
    response.headers["Vary"] = "Accept"
    if not wants_csv(request):
        return out
    rows = out.model_dump(mode="json", by_alias=True)["items"]
    (row_schema,) = get_args(schema.model_fields["items"].annotation)
    names = ["key", "name", *(name for name in row_schema.model_fields if name not in ("key", "name"))]
    return csv_response(response, names, rows)


def overview_response(request: Request, response: Response, overview: Overview) -> Any:
    """Return the overview in the format that the request prefers: a row for the day, or the day and the specialties."""
    counts = overview.counts
    figures = {name: getattr(counts, name) for name in counts.__slots__}
    date = overview.period.day_of(overview.period.begins)
    facts = figures | {"date": date, "time_zone": overview.period.time_zone, "generated_at": overview.generated_at}
    out = OverviewOut.model_validate(facts | {"next_free": overview.next_free, "complete": overview.complete})
    response.headers["Vary"] = "Accept"
    if not wants_csv(request):
        return out
    row = out.model_dump(mode="json", exclude={"next_free"})
    free = {f"next_free {item.specialty}": item.model_dump(mode="json")["starts_at"] for item in out.next_free or ()}
    return csv_response(response, [*row, *free], [row | free])
