"""The checks of `make clients`: each takes the platform under test and returns one line about the result."""

from __future__ import annotations

import json
import os
import shutil
import sys
import urllib.request
from collections.abc import Callable

import jsonschema_rs

from tests.clients.calendar_files import calendar_cases
from tests.clients.embedded_server import PlatformUnderTest
from tests.clients.toolchain import (
    BUILD,
    GENERATOR_JAR,
    PYTHON,
    ROOT,
    SOURCES,
    CheckFailed,
    empty_folder,
    install_java_tools,
    install_node_tools,
    install_python_tools,
    path_with_node,
    run,
    run_node,
)

# What openapi-generator says about every OpenAPI 3.1 document, about every `anyOf` of a type and null, and about every example of a body.
EXPECTED_WARNINGS = (
    "OpenAPI 3.1 support is still in beta",
    "Failed to get the schema name: null",
    "Ignoring complex example on request body",
)
MODELS_AND_APIS_ONLY = "apis,models,supportingFiles,apiTests=false,modelTests=false,apiDocs=false,modelDocs=false"


def spectral(target: PlatformUnderTest) -> str:
    """Lint the document with Spectral. Warnings count as errors."""
    install_node_tools()
    run_node("spectral", "lint", "--quiet", "--fail-severity", "warn", "--ruleset", SOURCES / "spectral.yaml", target.document)
    return "nothing to report"


def redocly(target: PlatformUnderTest) -> str:
    """Lint the document with Redocly. Warnings count as errors."""
    install_node_tools()
    run_node("redocly", "lint", "--config", SOURCES / "redocly.yaml", "--format", "stylish", target.document)
    return "nothing to report"


def python(target: PlatformUnderTest) -> str:
    """Generate a client with openapi-python-client, type-check the journey against it, and run the journey."""
    install_python_tools()
    folder = empty_folder("python")
    journey = SOURCES / "python" / "journey.py"
    package = ("--meta", "none", "--config", SOURCES / "python" / "generator.yaml", "--output-path", folder / "careslot_client")
    run(PYTHON, "-m", "openapi_python_client", "generate", "--fail-on-warning", "--path", target.document, *package)
    strict = ("--strict", "--config-file=", "--follow-imports=silent", "--cache-dir", folder / "mypy", "--python-executable", PYTHON)
    run(sys.executable, "-m", "mypy", *strict, journey, MYPYPATH=folder)
    return run(PYTHON, journey, target.url, PYTHONPATH=folder)


def typescript(target: PlatformUnderTest) -> str:
    """Generate types with openapi-typescript, compile the journey with `tsc` and the option `strict`, and run it with Node.js."""
    install_node_tools()
    folder = empty_folder("typescript")
    shutil.copytree(SOURCES / "typescript", folder, dirs_exist_ok=True)
    run_node("openapi-typescript", target.document, "--output", folder / "careslot.d.ts")
    run_node("tsc", "--project", folder)
    return run_node(folder / "build" / "journey.js", target.url)


def java(target: PlatformUnderTest) -> str:
    """Generate a client for the JDK's HttpClient, and compile and run the journey. One request object per call."""
    packages = "invokerPackage=careslot.client,apiPackage=careslot.client.api,modelPackage=careslot.client.model"
    properties = f"{packages},useSingleRequestParameter=true"
    return _jvm_journey(target, "java", "Journey", "--library", "native", "--additional-properties", properties)


def kotlin(target: PlatformUnderTest) -> str:
    """Generate a client with OkHttp and Moshi, the defaults, and compile and run the journey."""
    return _jvm_journey(target, "kotlin", "JourneyKt", "--additional-properties", "packageName=careslot.client")


def openid(target: PlatformUnderTest) -> str:
    """Discover the token endpoint with openid-client, get tokens by two grants, and verify them with the published keys."""
    install_node_tools()
    folder = empty_folder("openid")
    shutil.copytree(SOURCES / "openid", folder, dirs_exist_ok=True)
    return run_node(folder / "journey.js", target.url, "notification-service", target.client_secret("NOTIFY"))


def asyncapi(target: PlatformUnderTest) -> str:
    """Validate the document of the events against the JSON schema that the AsyncAPI initiative publishes."""
    install_node_tools()
    schema = json.loads((BUILD / "node_modules" / "@asyncapi" / "specs" / "schemas" / "3.0.0.json").read_text())
    with urllib.request.urlopen(f"{target.url}/asyncapi.json") as response:
        document = json.load(response)
    if errors := [error.message for error in jsonschema_rs.iter_errors(schema, document, validate_formats=True)]:
        raise CheckFailed("\n".join(errors))
    return f"{len(document['channels'])} channels are valid"


def webhooks(_target: PlatformUnderTest) -> str:
    """Verify a delivery with the snippets in the README of notification-service, in Python and in JavaScript."""
    install_node_tools()
    run(sys.executable, "-m", "pytest", "tests/service/notify/test_webhook_readme.py", cwd=ROOT, PATH=path_with_node())
    return "both snippets verify a delivery"


def calendars(_target: PlatformUnderTest) -> str:
    """Read the calendar files of mails with ical.js and node-ical, as the calendar programs of recipients do."""
    install_node_tools()
    folder = empty_folder("calendars")
    (folder / "cases.json").write_text(json.dumps(calendar_cases()))
    shutil.copy(SOURCES / "calendars" / "check.js", folder)
    return run_node(folder / "check.js", folder / "cases.json")


def _jvm_journey(target: PlatformUnderTest, language: str, main_class: str, *options: str) -> str:
    """Generate a client with openapi-generator, put the journey and its pom beside it, and compile and run them with Maven."""
    install_java_tools()
    folder = empty_folder(language)
    generator = ("java", "-jar", GENERATOR_JAR, "generate", "-g", language, "--global-property", MODELS_AND_APIS_ONLY)
    _refuse_warnings(run(*generator, "-i", target.document, "-o", folder, *options))
    shutil.copy(SOURCES / language / "pom.xml", folder)
    for source in (SOURCES / language).glob("Journey.*"):
        shutil.copy(source, folder / "src" / "main" / language)
    run("mvn", "-B", "-q", "compile", "dependency:build-classpath", "-Dmdep.outputFile=classpath.txt", cwd=folder)
    classpath = f"{folder / 'target' / 'classes'}{os.pathsep}{(folder / 'classpath.txt').read_text()}"
    return run("java", main_class, target.url, CLASSPATH=classpath)


def _refuse_warnings(output: str) -> None:
    warnings = [line for line in output.splitlines() if " WARN " in line or " ERROR " in line]
    unexpected = [line for line in warnings if not any(expected in line for expected in EXPECTED_WARNINGS)]
    if unexpected:
        raise CheckFailed("openapi-generator warns:\n" + "\n".join(unexpected))


CHECKS: dict[str, Callable[[PlatformUnderTest], str]] = {
    "spectral": spectral,
    "redocly": redocly,
    "python": python,
    "typescript": typescript,
    "java": java,
    "kotlin": kotlin,
    "openid": openid,
    "asyncapi": asyncapi,
    "webhooks": webhooks,
    "calendars": calendars,
}
