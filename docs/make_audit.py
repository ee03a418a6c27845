"""Writes docs/audit.md from the list of actions. With `--check` it exits with 1 when the page is out of date."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from shared.contracts.audit_actions import AUDIT_ACTIONS  # importable only after the line above

PAGE = Path(__file__).parent / "audit.md"
HEAD = """# The audit trail

Written by `make docs` from `shared/contracts/audit_actions.py`. `GET /admin/audit` lists the lines as JSON, or with `Accept: text/csv`
as a table. A line says who (`actor`) did what (`action`) to whom or what (`subject`), why they may (`relation`), and whether it was done or
refused. It has ids, codes and instants only: `before` and `after` are the codes and times that changed, and free text, such as a reason,
stays in the row `row_id` of the service `source`.

**What is not in it.** Reads of appointments have no lines, although an appointment may have a reason and an intake form: reads of the
profile, the medical history, the summary and the booking history have. auth-service does not change its signing keys by itself, so that
there is no line about it.

**Nothing is lost.** A service writes the event of a line into its outbox in the transaction of what it reports, and admin-service handles
each event once. The services publish what waits after an outage.

**Nothing is changed.** admin-service only appends. On MySQL its database user has the privileges SELECT and INSERT on `audit_lines` and no
others: `careslot migrate` runs as the user of `ADMIN_MIGRATION_DATABASE_URL`, which gives the service's user what it needs.
On SQLite, which has no users, triggers refuse to change and delete lines. `careslot check` warns where the user may do more.

**A change would be found.** The lines of a recording day (UTC) are numbered, and `hash` is SHA-256 over the hash of the line before and the
line as canonical JSON (ASCII, sorted names, no spaces, no fields without a value). Some minutes after its end a day is closed: its head has
the number of lines, the hash of the last one and that of the last line before the day. auth-service signs one head of each day, with a key
that signs nothing else (`/.well-known/audit-keys.json`), as a JSON Web Signature of type `audit-head+jwt`. `GET /admin/audit/heads` lists
the heads: keep copies of them outside, because somebody who controls both databases can forge what was never copied. `careslot verify`
computes all hashes anew, and finds a line that was changed, deleted, inserted or moved, and a day that was cut.

**Old days are deleted whole.** The job `delete_old_audit_lines` deletes the lines of recording days that ended more than
`ADMIN_KEEP_AUDIT_YEARS` years ago, once their head is signed, as the user of `ADMIN_RETENTION_DATABASE_URL`. The heads stay, so that the
oldest day that is left still follows a known hash. Without that user on MySQL, lines are kept for ever, and the service says so at its
start (`audit_retention_off`).

An installation of an earlier release creates the two MySQL users, and sets `ADMIN_MIGRATION_DATABASE_URL` and
`ADMIN_RETENTION_DATABASE_URL` (the passwords are `ADMIN_MIGRATION_DATABASE_PASSWORD` and `ADMIN_RETENTION_DATABASE_PASSWORD` in `.env`):

```sql
CREATE USER 'admin_migration'@'%' IDENTIFIED BY '...';
GRANT ALL ON admin.* TO 'admin_migration'@'%' WITH GRANT OPTION;
CREATE USER 'admin_retention'@'%' IDENTIFIED BY '...';
```

The next `careslot migrate` then takes the privileges on the whole database away from the user of the service. Any service may have
such a user for its migrations: `<PREFIX>_MIGRATION_DATABASE_URL`.

## Actions

A later release may add actions; none changes its meaning.
"""


def page() -> str:
    """Return the whole page."""
    return "\n".join((HEAD, *(section(service, actions) for service, actions in AUDIT_ACTIONS.items())))


def section(service: str, actions: Mapping[str, str]) -> str:
    """Return the table of the actions of one service."""
    rows = (f"| `{action}` | {meaning} |" for action, meaning in actions.items())
    return "\n".join((f"### {service}", "", "| action | when |", "|---|---|", *rows, ""))


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(PAGE.read_text() != page())
    PAGE.write_text(page())
