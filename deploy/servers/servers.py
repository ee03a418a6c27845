"""Starts and stops real servers for tests: `python3 deploy/servers/servers.py up`."""

import argparse
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from testservers.mariadb import mariadb
from testservers.mongodb import mongodb
from testservers.processes import Failed, end, end_all, pid_of, start
from testservers.rabbitmq import rabbitmq
from testservers.run import ENV_FILE, Run, alone

SERVERS = {"mysql": mariadb, "mongo": mongodb, "amqp": rabbitmq}
VERBS = {
    "up": "start what does not run yet, install and build what is missing, print the addresses",
    "down": "end every process that `up` started, remove its data",
    "env": "print the addresses; exit 1 unless all three servers live",
    "start": "start one server again, on its port and its data",
    "stop": "end one server in good order, keep its data",
    "kill": "end one server at once (SIGKILL), keep its data",
}


def up() -> None:
    run = Run.kept()
    if run and not run.folder.is_dir():
        down()
        run = None
    run = run or Run.fresh()
    keep(run)  # so that `down` finds what a failed start leaves behind
    start_side_by_side(run, list(SERVERS))
    print(ENV_FILE.read_text(), end="")


def start_side_by_side(run: Run, names: list[str]) -> None:
    try:
        with ThreadPoolExecutor() as pool:
            list(pool.map(start, [SERVERS[name](run) for name in names]))
    finally:
        keep(run)


def keep(run: Run) -> None:
    run.keep({name: pid for name in SERVERS if (pid := pid_of(name, run.folder))})


def down() -> None:
    run = Run.kept()
    if run:
        end_all(run.folder)
        shutil.rmtree(run.folder, ignore_errors=True)
    ENV_FILE.unlink(missing_ok=True)


def env() -> None:
    run = Run.kept()
    if not run or not all(pid_of(name, run.folder) for name in SERVERS):
        raise Failed("not all servers run: `python3 deploy/servers/servers.py up` starts them")
    print(ENV_FILE.read_text(), end="")


def on_one(verb: str, name: str) -> None:
    run = Run.kept()
    if not run:
        raise Failed("no servers: `up` comes first")
    if verb == "start":
        return start_side_by_side(run, [name])
    if pid := pid_of(name, run.folder):
        end([pid], run.folder, signal.SIGKILL if verb == "kill" else signal.SIGTERM)
    keep(run)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb, meaning in VERBS.items():
        words = verbs.add_parser(verb, help=meaning)
        if verb in ("start", "stop", "kill"):
            words.add_argument("name", choices=SERVERS)
    return parser.parse_args()


def obey(asked: argparse.Namespace) -> None:
    if asked.verb == "env":
        return env()
    with alone():
        if "name" in asked:
            return on_one(asked.verb, asked.name)
        return up() if asked.verb == "up" else down()


if __name__ == "__main__":
    try:
        obey(parse())
    except (Failed, OSError, subprocess.CalledProcessError) as failure:
        sys.exit(f"servers: {failure}")
