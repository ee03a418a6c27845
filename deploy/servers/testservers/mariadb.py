"""MariaDB with the settings of production, except that it flushes its log once a second and uses little memory."""

import getpass
import os
import subprocess
from urllib.parse import urlsplit

from testservers import debian
from testservers.processes import Server
from testservers.run import Run

ONLY_ROOT_OVER_TCP = """
ALTER USER 'root'@'127.0.0.1' IDENTIFIED BY '{password}';
DELETE FROM mysql.global_priv WHERE User = 'root' AND Host <> '127.0.0.1';
FLUSH PRIVILEGES;
"""
SETTINGS = [
    "--bind-address=127.0.0.1",
    "--skip-name-resolve",
    "--character-set-server=utf8mb4",
    "--collation-server=utf8mb4_unicode_ci",
    "--default-time-zone=+00:00",
    "--max-connections=500",
    "--local-infile=OFF",
    "--innodb-flush-log-at-trx-commit=2",
    "--innodb-buffer-pool-size=128M",
    "--innodb-log-file-size=64M",
    "--performance-schema=OFF",
]


def mariadb(run: Run) -> Server:
    """Return how to run MariaDB, whose only user is root over TCP."""
    address = urlsplit(run.urls["mysql"])
    data, init_file = run.folder / "mysql", run.folder / "mysql.first.sql"
    user = f"--user={getpass.getuser()}"

    def prepare() -> None:
        debian.install()
        init_file.touch(mode=0o600)
        init_file.write_text(ONLY_ROOT_OVER_TCP.format(password=address.password))
        if not (data / "mysql").is_dir():
            install = ["mariadb-install-db", "--no-defaults", user, f"--datadir={data}", "--skip-test-db"]
            subprocess.run([*install, "--auth-root-authentication-method=normal"], check=True, stdout=subprocess.DEVNULL)

    def is_answering() -> bool:
        client = ["mariadb", "--no-defaults", "--protocol=tcp", "-h127.0.0.1", f"-P{address.port}", "-uroot", "-e", "SELECT 1"]
        return subprocess.run(client, env={**os.environ, "MYSQL_PWD": address.password or ""}, capture_output=True).returncode == 0

    locations = [f"--datadir={data}", f"--port={address.port}", "--socket=mysql.sock", f"--init-file={init_file}"]
    return Server(
        name="mysql",
        run_folder=run.folder,
        command=["mariadbd", "--no-defaults", user, *locations, *SETTINGS],
        environment={},
        prepare=prepare,
        is_answering=is_answering,
    )
