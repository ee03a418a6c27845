"""Starts and stops real servers for tests: `python3 deploy/servers/servers.py up`."""

import argparse
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from testservers.mariadb import mariadb
from testservers.mongodb import mongodb
from testservers.processes import ServerFailure, end, end_run, pid_of, start
from testservers.rabbitmq import rabbitmq
from testservers.redis import redis
from testservers.run import ENV_FILE, Run, lock_commands

SERVERS = {"mysql": mariadb, "mongo": mongodb, "amqp": rabbitmq, "redis": redis}
VERBS = {
    "up": "install and build what is missing, start the servers that are not running, print the addresses",
    "down": "end every process that `up` started, and delete their data",
    "env": "print the addresses; exit 1 unless all servers are running",
    "start": "start one server again, on the same port and data",
    "stop": "end one server with SIGTERM, keep its data",
    "kill": "end one server with SIGKILL, keep its data",
}


def up() -> None:
    """Start all servers that are not running, and print the addresses."""
    run = Run.load()
    if run and not run.folder.is_dir():
        down()
        run = None
    run = run or Run.create()
    save(run)  # so that `down` also finds what a failed start left running
    start_servers(run, list(SERVERS))
    print(ENV_FILE.read_text(), end="")


def start_servers(run: Run, names: list[str]) -> None:
    """Start servers in parallel, and save their process ids even if one fails."""
    try:
        with ThreadPoolExecutor() as pool:
            list(pool.map(start, [SERVERS[name](run) for name in names]))
    finally:
        save(run)


def save(run: Run) -> None:
    """Write the addresses and the ids of the running processes to ENV_FILE."""
    run.save({name: pid for name in SERVERS if (pid := pid_of(name, run.folder))})


def down() -> None:
    """End all processes of the run and delete its folder."""
    run = Run.load()
    if run:
        end_run(run.folder)
        shutil.rmtree(run.folder, ignore_errors=True)
    ENV_FILE.unlink(missing_ok=True)


def env() -> None:
    """Print the addresses. Raises ServerFailure unless all servers are running."""
    run = Run.load()
    if not run or not all(pid_of(name, run.folder) for name in SERVERS):
        raise ServerFailure("not all servers are running; `python3 deploy/servers/servers.py up` starts them")
    print(ENV_FILE.read_text(), end="")


def run_on_server(verb: str, name: str) -> None:
    """Run `start`, `stop` or `kill` on one server."""
    run = Run.load()
    if not run:
        raise ServerFailure("there are no servers; run `up` first")
    if verb == "start":
        return start_servers(run, [name])
    if pid := pid_of(name, run.folder):
        end([pid], run.folder, signal.SIGKILL if verb == "kill" else signal.SIGTERM)
    save(run)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb, description in VERBS.items():
        verb_parser = verbs.add_parser(verb, help=description)
        if verb in ("start", "stop", "kill"):
            verb_parser.add_argument("name", choices=SERVERS)
    return parser.parse_args()


def execute(arguments: argparse.Namespace) -> None:
    """Run the command; all but `env` wait for other commands to finish."""
    if arguments.verb == "env":
        return env()
    with lock_commands():
        if "name" in arguments:
            return run_on_server(arguments.verb, arguments.name)
        return up() if arguments.verb == "up" else down()


if __name__ == "__main__":
    try:
        execute(parse_arguments())
    except (ServerFailure, OSError, subprocess.CalledProcessError) as failure:
        sys.exit(f"servers: {failure}")
