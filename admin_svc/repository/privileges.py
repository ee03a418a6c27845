"""What the MySQL users of admin-service may do with the audit trail."""

from __future__ import annotations

SERVICE_PRIVILEGES = {
    "audit_lines": ("SELECT", "INSERT"),
    "audit_heads": ("SELECT", "INSERT", "UPDATE (key_id, signature, signed_at)"),
}
"""The user of the service appends to the trail, and adds signatures. On all other tables it reads and writes."""
RETENTION_PRIVILEGES = {
    "audit_lines": ("SELECT", "DELETE"),
    "audit_heads": ("SELECT", "UPDATE (lines_deleted_at)"),
}
"""The user of the retention job deletes lines, and records it in the head of their day. It has no privilege on any other table."""
