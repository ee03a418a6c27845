"""Writes `.env` for compose.yaml: the clinic's time zone and a random password for everything that needs one.

The time zone is that of the variable CARESLOT_TIME_ZONE, or UTC. An existing file is never overwritten.
"""

from __future__ import annotations

import base64
import os
import secrets
import sys
from pathlib import Path

SERVICES = ("AUTH", "PATIENT", "DOCTOR", "SCHEDULING", "APPOINTMENT", "ADMIN", "NOTIFY", "GATEWAY")
SERVICES_WITH_DATABASE = tuple(service for service in SERVICES if service != "GATEWAY")


def main(path: Path) -> None:
    names = ["MYSQL_ROOT_PASSWORD", "RABBITMQ_PASSWORD", "AUTH_KEY_SECRET", "APPOINTMENT_LINK_SECRET"]
    names += ["NOTIFY_WEBHOOK_KEY", "NOTIFY_LINK_SECRET", "ADMIN_IMPORT_KEY"]
    names += ["ADMIN_MIGRATION_DATABASE_PASSWORD", "ADMIN_RETENTION_DATABASE_PASSWORD"]
    names += [f"{service}_DATABASE_PASSWORD" for service in SERVICES_WITH_DATABASE] + [f"{service}_CLIENT_SECRET" for service in SERVICES]
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        sys.exit(f"{path.name} exists and holds the passwords of your databases. Move it away first.")
    time_zone = os.environ.get("CARESLOT_TIME_ZONE", "UTC")
    with os.fdopen(handle, "w") as file:
        file.write(f"CARESLOT_TIME_ZONE={time_zone}\n")
        file.write(f"PATIENT_RECORD_KEYS=1:{base64.b64encode(secrets.token_bytes(32)).decode()}\n")
        file.writelines(f"{name}={secrets.token_hex(24)}\n" for name in names)
    print(f"{path.name} written; the clinic's time zone in it is {time_zone}; next: docker compose up -d --build --wait")


if __name__ == "__main__":
    main(Path.cwd() / ".env")
