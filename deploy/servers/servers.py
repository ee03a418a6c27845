"""Starts and stops real servers for tests: `python3 deploy/servers/servers.py up`."""

import argparse
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from testservers.mariadb import mariadb
from testservers.mongodb import mongodb
from testservers.processes import ServerError, running_pid, start, stop, stop_all
from testservers.rabbitmq import rabbitmq
from testservers.run import ENV_FILE, Run, lock_servers

SERVERS = {"mysql": mariadb, "mongo": mongodb, "amqp": rabbitmq}
COMMANDS = {
    "up": "install, build and start the servers that are missing, and print the addresses",
    "down": "end all processes that `up` started, and remove their data",
    "env": "print the addresses; exit with 1 unless all three servers run",
    "start": "start one server again on the same port and data",
    "stop": "end one server with SIGTERM and keep its data",
    "kill": "end one server with SIGKILL and keep its data",
}


def up() -> None:
    run = Run.read()
    if run and not run.folder.is_dir():
        down()
        run = None
    run = run or Run.create()
    write_env_file(run)  # before the start, so that `down` finds the processes of a start that fails
    start_in_parallel(run, list(SERVERS))
    print(ENV_FILE.read_text(), end="")


def start_in_parallel(run: Run, names: list[str]) -> None:
    try:
        with ThreadPoolExecutor() as pool:
            list(pool.map(start, [SERVERS[name](run) for name in names]))
    finally:
        write_env_file(run)


def write_env_file(run: Run) -> None:
    run.write({name: pid for name in SERVERS if (pid := running_pid(name, run.folder))})


def down() -> None:
    run = Run.read()
    if run:
        stop_all(run.folder)
        shutil.rmtree(run.folder, ignore_errors=True)
    ENV_FILE.unlink(missing_ok=True)


def env() -> None:
    run = Run.read()
    if not run or not all(running_pid(name, run.folder) for name in SERVERS):
        raise ServerError("not all servers run: `python3 deploy/servers/servers.py up` starts them")
    print(ENV_FILE.read_text(), end="")


def control_server(command: str, name: str) -> None:
    run = Run.read()
    if not run:
        raise ServerError("no servers run: `python3 deploy/servers/servers.py up` starts them")
    if command == "start":
        return start_in_parallel(run, [name])
    if pid := running_pid(name, run.folder):
        stop([pid], run.folder, signal.SIGKILL if command == "kill" else signal.SIGTERM)
    write_env_file(run)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, meaning in COMMANDS.items():
        command = commands.add_parser(name, help=meaning)
        if name in ("start", "stop", "kill"):
            command.add_argument("name", choices=SERVERS)
    return parser.parse_args()


def execute(arguments: argparse.Namespace) -> None:
    if arguments.command == "env":
        return env()
    with lock_servers():
        if "name" in arguments:
            return control_server(arguments.command, arguments.name)
        return up() if arguments.command == "up" else down()


if __name__ == "__main__":
    try:
        execute(parse_arguments())
    except (ServerError, OSError, subprocess.CalledProcessError) as failure:
        sys.exit(f"servers: {failure}")
