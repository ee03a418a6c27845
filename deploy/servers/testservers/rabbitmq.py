"""RabbitMQ, with its own port mapper (epmd), so that it does not connect to other Erlang nodes of the machine."""

import socket
from urllib.parse import urlsplit

from testservers import debian
from testservers.processes import Server
from testservers.run import Run

SETTINGS = """
listeners.tcp.1 = 127.0.0.1:{port}
disk_free_limit.absolute = 50MB
raft.wal_max_size_bytes = 64000000
log.file = false
log.console = true
log.console.level = warning
log.console.use_colors = off
"""
GREETING = b"AMQP\x00\x00\x09\x01"
CONNECTION_START = b"\x00\x0a\x00\x0a"  # class 10, method 10, after a frame header of seven bytes


def rabbitmq(run: Run) -> Server:
    """Return how to run RabbitMQ as a single node."""
    port = urlsplit(run.urls["amqp"]).port or 0
    folder = run.folder / "amqp"

    def prepare() -> None:
        debian.install()
        folder.mkdir(exist_ok=True)
        (folder / "rabbitmq.conf").write_text(SETTINGS.format(port=port))
        (folder / "enabled_plugins").write_text("[].\n")

    def is_answering() -> bool:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
                connection.sendall(GREETING)
                return connection.recv(11)[7:] == CONNECTION_START
        except OSError:
            return False

    environment = {
        "HOME": str(folder),
        "LC_ALL": "C.UTF-8",
        "RUNNING_UNDER_SYSTEMD": "true",  # the script then executes the broker in its own process, whose id we know
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(port + 1),
        "RABBITMQ_DIST_PORT": str(port + 2),
        "RABBITMQ_NODENAME": "careslot@localhost",
        "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}",
    }
    return Server(
        name="amqp", run_folder=run.folder, command=[debian.RABBITMQ], environment=environment, prepare=prepare, is_answering=is_answering
    )
