"""The two servers that Debian packages, installed if missing."""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

from testservers.processes import ServerError

RABBITMQ = "/usr/lib/rabbitmq/bin/rabbitmq-server"  # rabbitmq-server on the PATH changes the user, who cannot write to the run folder
PACKAGES = ["mariadb-server", "rabbitmq-server"]
INSTALL_LOCK = threading.Lock()


def install() -> None:
    with INSTALL_LOCK:
        if not are_installed():
            apt_get_install()


def are_installed() -> bool:
    return bool(shutil.which("mariadbd") and shutil.which("mariadb-install-db")) and Path(RABBITMQ).exists()


def apt_get_install() -> None:
    if not shutil.which("apt-get") or os.getuid() != 0:
        raise ServerError(f"install {' and '.join(PACKAGES)}, or run this as root on Debian 12")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}  # run level 1: no init script starts a service
    for command in (["update", "-q"], ["install", "-q", "-y", "--no-install-recommends", *PACKAGES]):
        subprocess.run(["apt-get", *command], env=quiet, check=True, stdout=sys.stderr)
