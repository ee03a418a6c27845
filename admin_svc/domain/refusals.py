"""The refusals that only admin-service raises; those that it passes on are in shared.contracts.relayed_refusals."""

from __future__ import annotations

from shared.contracts.refusals import NotFound


class NoSuchBulkChange(NotFound):
    """Raised when there is no bulk change with this id, or its outcomes are no longer kept."""

    code = "no_such_bulk_change"
    detail = "There is no such bulk change, or it was finished more than 30 days ago."
    remedy = "Use the address in the header `Location` of the answer to `POST /admin/appointments/bulk`."
