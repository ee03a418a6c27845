"""Installs the servers that Debian has packages for."""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

from testservers.processes import ServerFailure

RABBITMQ = "/usr/lib/rabbitmq/bin/rabbitmq-server"  # the script on the PATH switches to a user who cannot write to the run's folder
PACKAGES = ["mariadb-server", "rabbitmq-server", "redis-server"]
INSTALL_LOCK = threading.Lock()


def install() -> None:
    """Install MariaDB, RabbitMQ and Redis unless all are there. Raises ServerFailure where that is not possible."""
    with INSTALL_LOCK:
        if not is_installed():
            apt_get_install()


def is_installed() -> bool:
    return all(map(shutil.which, ("mariadbd", "mariadb-install-db", "redis-server"))) and Path(RABBITMQ).exists()


def apt_get_install() -> None:
    if not shutil.which("apt-get") or os.getuid() != 0:
        raise ServerFailure(f"install {', '.join(PACKAGES)}, or run this as root on Debian 12")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}  # in run level 1 the packages do not start their services
    for command in (["update", "-q"], ["install", "-q", "-y", "--no-install-recommends", *PACKAGES]):
        subprocess.run(["apt-get", *command], env=quiet, check=True, stdout=sys.stderr)
