"""Compares the gateway, with each upstream client, to nginx's `proxy_pass`: `.venv/bin/python -m bench.gateway`.

One upstream server, one nginx with one worker, and one gateway process per client run on the loopback interface. Each round
loads every proxy in turn; the medians over the rounds are compared. With two cores or more, the proxies run on the first core,
and the upstream server and the load generator share the others. The ratio is that of requests per second of processor time
(Linux's /proc), so that other work on the machine does not change it; the plain rates are printed as well.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

BODY = b'{"items":[' + b",".join(b'{"id":"0190a1b2-0000-7000-8000-%012d","full_name":"Somebody"}' % n for n in range(6)) + b'],"next":null}'
RESPONSE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\nserver: x\r\n\r\n" % len(BODY) + BODY
SERVICES = ("AUTH", "PATIENT", "DOCTOR", "SCHEDULING", "APPOINTMENT", "ADMIN", "NOTIFY")
CLIENTS = ("own", "aiohttp", "httpx-aiohttp")
NGINX = """
worker_processes 1; master_process off; daemon off; pid {folder}/pid; error_log {folder}/error;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {folder}; proxy_temp_path {folder};
  fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
  keepalive_requests 1000000;
  upstream fixed_response {{ server 127.0.0.1:{upstream}; keepalive 128; keepalive_requests 1000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://fixed_response; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
"""
POST = 'wrk.method = "POST"; wrk.body = string.rep("x", 500); wrk.headers["Content-Type"] = "application/json"'


class FixedResponse(asyncio.Protocol):
    """Answers every request with the same bytes; parses only as much HTTP as it takes to find the end of a request."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport, self.data = cast(asyncio.Transport, transport), b""

    def data_received(self, data: bytes) -> None:
        self.data += data
        while (end := self.data.find(b"\r\n\r\n")) >= 0:
            length = re.search(rb"content-length: (\d+)", self.data[:end], re.IGNORECASE)
            end_of_request = end + 4 + (int(length[1]) if length else 0)
            if len(self.data) < end_of_request:
                return
            self.data = self.data[end_of_request:]
            self.transport.write(RESPONSE)


async def serve_upstream(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(FixedResponse, "127.0.0.1", port)
    await server.serve_forever()


async def serve_gateway(client: str, port: int) -> None:
    """Run the gateway, with the upstream client of that name."""
    import uvicorn
    from fastapi import FastAPI

    from bench.upstreams import AiohttpClient, HttpxClient
    from gateway_svc.clients.addresses import DnsAddressResolver
    from gateway_svc.main import create_app
    from gateway_svc.routes.listener import Listener
    from gateway_svc.settings import GatewaySettings
    from gateway_svc.usecases.upstream_services import UpstreamServices
    from shared.contracts.identity import Service

    settings = GatewaySettings(env="test", client_secret="x" * 40, rate_scale=10_000)
    app: FastAPI = create_app(settings)
    own_lifespan = app.router.lifespan_context
    alternatives: dict[str, Callable[[], Any]] = {"aiohttp": AiohttpClient, "httpx-aiohttp": HttpxClient}

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with own_lifespan(app):
            if client in alternatives:
                resolver = DnsAddressResolver(settings.urls)
                services = [service for service in Service if service is not Service.GATEWAY]
                app.state.use_cases[UpstreamServices] = UpstreamServices(
                    alternatives[client](), resolver, services, max_requests_per_service=256
                )
            yield

    app.router.lifespan_context = lifespan
    quiet: dict[str, Any] = {"log_config": None, "access_log": False, "proxy_headers": False, "server_header": False}
    await uvicorn.Server(uvicorn.Config(app, "127.0.0.1", port, http=Listener, **quiet)).serve()


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


@contextlib.contextmanager
def run_process(command: list[str], port: int, core: str, environment: dict[str, str]) -> Iterator[int]:
    """Run a command that listens at `port`, pinned to `core`, and give its process id once it listens."""
    pinned = ["taskset", "-c", core, *command] if core and shutil.which("taskset") else command
    process = subprocess.Popen(pinned, env=os.environ | environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port, process)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    give_up_at = time.monotonic() + 40
    while time.monotonic() < give_up_at and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return
        time.sleep(0.1)
    raise SystemExit(f"{process.args!r} did not start")


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has used so far: utime and stime of proc(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class BenchRun:
    """`rate` is requests per second, `per_core` requests per second of processor time, `p99_ms` the 99th percentile of the latency."""

    rate: float
    per_core: float
    p99_ms: float


def load(port: int, pid: int, seconds: int, connections: int, core: str, script: Path | None) -> BenchRun:
    """Run wrk once. Raises SystemExit on any response other than 200."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", *(["-s", str(script)] if script else [])]
    pinned = ["taskset", "-c", core, *command] if core and shutil.which("taskset") else command
    before = cpu_seconds(pid)
    output = subprocess.run([*pinned, f"http://127.0.0.1:{port}/doctors"], capture_output=True, text=True, check=True).stdout
    used = cpu_seconds(pid) - before
    if "Non-2xx" in output or "Socket errors" in output:
        raise SystemExit(output)
    rate, p99, count = (re.search(form, output) for form in (r"Requests/sec:\s+([\d.]+)", r"99%\s+([\d.]+)(us|ms|s)", r"(\d+) requests in"))
    if not (rate and p99 and count):
        raise SystemExit(output)
    return BenchRun(float(rate[1]), int(count[1]) / used, float(p99[1]) * {"us": 0.001, "ms": 1, "s": 1000}[p99[2]])


def measure(rounds: int, seconds: int, connections: int) -> None:
    proxy_core, other_cores = ("0", f"1-{cores - 1}") if (cores := os.cpu_count() or 1) > 1 else ("", "")
    names = ("nginx", *CLIENTS)
    upstream, ports = free_port(), {name: free_port() for name in names}
    urls = {f"{service}_URLS": f"http://127.0.0.1:{upstream}" for service in SERVICES}
    this_module = [sys.executable, "-m", "bench.gateway"]
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        Path(folder, "nginx.conf").write_text(NGINX.format(folder=folder, upstream=upstream, port=ports["nginx"]))
        Path(folder, "post.lua").write_text(POST)
        stack.enter_context(run_process([*this_module, "--serve", "upstream", "--port", str(upstream)], upstream, other_cores, {}))
        commands = {"nginx": ["nginx", "-c", f"{folder}/nginx.conf", "-p", folder]}
        commands |= {name: [*this_module, "--serve", name, "--port", str(ports[name])] for name in CLIENTS}
        pids = {name: stack.enter_context(run_process(commands[name], ports[name], proxy_core, urls)) for name in names}
        for title, script in (("GET", None), ("POST, 500 bytes", Path(folder, "post.lua"))):
            runs_by_name: dict[str, list[BenchRun]] = {name: [] for name in names}
            for _ in range(rounds):
                for name in names:
                    runs_by_name[name].append(load(ports[name], pids[name], seconds, connections, other_cores, script))
            show(title, connections, runs_by_name)


def show(title: str, connections: int, runs_by_name: dict[str, list[BenchRun]]) -> None:
    medians = {name: statistics.median(run.per_core for run in runs) for name, runs in runs_by_name.items()}
    print(f"{title}, {connections} connections, medians of {len(runs_by_name['nginx'])} rounds")
    for name, per_core in medians.items():
        rate = statistics.median(run.rate for run in runs_by_name[name])
        p99 = statistics.median(run.p99_ms for run in runs_by_name[name])
        core = f"{per_core:>7.0f} per second of a core   {per_core / medians['nginx']:>6.1%} of nginx"
        print(f"  {name:<14} {rate:>7.0f}/s   p99 {p99:>6.1f} ms   {core}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        import uvloop

        uvloop.run(serve_upstream(arguments.port) if arguments.serve == "upstream" else serve_gateway(arguments.serve, arguments.port))
        return
    if missing := [name for name in ("nginx", "wrk") if not shutil.which(name)]:
        raise SystemExit(f"needs {' and '.join(missing)}: apt-get install nginx-light wrk")
    measure(arguments.rounds, arguments.seconds, arguments.connections)


if __name__ == "__main__":
    main()
