"""The MongoDB-protocol server: the Go program in `mongo/`. It is built once; the hash of its sources is part of the binary's name."""

import hashlib
import os
import shutil
import socket
import struct
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

from testservers.processes import Server, ServerFailure
from testservers.run import Run, home

SOURCES = Path(__file__).resolve().parents[1] / "mongo"
OP_MSG = 2013


def binary() -> Path:
    """Return the path of the binary for the present sources."""
    sources = sorted([*SOURCES.glob("*.go"), SOURCES / "go.mod", SOURCES / "go.sum"])
    digest = hashlib.sha256(b"\0".join(source.read_bytes() for source in sources)).hexdigest()
    return home() / f"mongo-{digest[:12]}"


def build() -> None:
    """Build the binary unless it exists. Raises ServerFailure without Go."""
    if binary().exists():
        return
    if not shutil.which("go"):
        raise ServerFailure("the MongoDB-protocol server needs Go 1.24 or newer to be built, and there is no `go` on the PATH")
    print("building the MongoDB-protocol server (about a minute, once)", file=sys.stderr)
    draft = binary().with_suffix(".draft")
    command = ["go", "build", "-trimpath", "-buildvcs=false", "-o", str(draft), "."]
    subprocess.run(command, cwd=SOURCES, env={**os.environ, "CGO_ENABLED": "0"}, check=True, stdout=sys.stderr)
    draft.replace(binary())


def mongodb(run: Run) -> Server:
    """Return how to run the MongoDB-protocol server."""
    port = urlsplit(run.urls["mongo"]).port or 0
    return Server(
        name="mongo",
        run_folder=run.folder,
        command=[str(binary()), "-listen", f"127.0.0.1:{port}", "-data", str(run.folder / "mongo")],
        environment={},
        prepare=build,
        is_answering=lambda: answers_to_hello(port),
    )


def answers_to_hello(port: int) -> bool:
    """Return whether the command `{hello: 1, $db: "admin"}` gets a reply."""
    fields = b"\x10hello\0" + struct.pack("<i", 1) + b"\x02$db\0" + struct.pack("<i", 6) + b"admin\0"
    document = struct.pack("<i", len(fields) + 5) + fields + b"\0"
    body = struct.pack("<iB", 0, 0) + document
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(struct.pack("<4i", len(body) + 16, 1, 0, OP_MSG) + body)
            return b"maxWireVersion" in connection.recv(4096)
    except OSError:
        return False
