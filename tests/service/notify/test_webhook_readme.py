"""The snippets of the README verify what the service sends."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import WebhookVerificationError

from shared.contracts.identity import Role
from shared.kit.clock import system_clock
from tests.clients.toolchain import BUILD
from tests.running import run_service
from tests.service.notify.webhook_endpoint import ReceivedWebhook, webhook_endpoint
from tests.tokens import bearer
from tests.unit.notify.builders import ADMIN, an_event

README = (Path(__file__).parents[3] / "notify_svc" / "README.md").read_text(encoding="utf-8")
NODE, PACKAGE = shutil.which("node"), BUILD / "node_modules" / "standardwebhooks"
MAIN = """
const {body, headers, secret} = JSON.parse(await new Promise((resolve) => {
  let text = ""; process.stdin.on("data", (part) => (text += part)).on("end", () => resolve(text));
}));
console.log(JSON.stringify(readWebhook(body, headers, secret)));
"""


def snippet(language: str) -> str:
    """Return the only snippet of a language in the README."""
    (code,) = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    return str(code)


@dataclass
class SignedExample:
    """A request as a receiver got it, and the secret of its webhook."""

    request: ReceivedWebhook
    secret: str


@pytest.fixture
async def example(tmp_path: Path) -> AsyncIterator[SignedExample]:
    settings: dict[str, Any] = {"mail_url": "file:unused", "webhook_allow_private": True, "webhook_key": "k" * 40}
    async with webhook_endpoint() as endpoint, run_service("notify_svc", tmp_path, now=system_clock(), **settings) as notify:
        body = {"url": endpoint.url, "events": ["appointment.*"]}
        created = await notify.http.post("/webhooks", json=body, headers=bearer(Role.ADMIN, ADMIN))
        await notify.publish_event(an_event(event_number=1))
        yield SignedExample(endpoint.received[0], created.json()["secret"])


def test_the_python_snippet_returns_a_signed_event_and_refuses_a_changed_one(example: SignedExample) -> None:
    namespace: dict[str, Any] = {}
    exec(snippet("python"), namespace)
    read: Callable[..., Any] = namespace["read_webhook"]
    body, headers = example.request.body.encode(), example.request.headers
    assert read(body, headers, example.secret) == example.request.facts
    with pytest.raises(WebhookVerificationError):
        read(body.replace(b"booked", b"missed"), headers, example.secret)
    with pytest.raises(WebhookVerificationError):
        read(body, headers, "whsec_" + "A" * 44)


@pytest.mark.skipif(NODE is None or not PACKAGE.exists(), reason="needs Node.js and the package; `make clients` installs it")
def test_the_javascript_snippet_returns_a_signed_event_and_refuses_a_changed_one(example: SignedExample) -> None:
    script = BUILD / "webhook.mjs"
    script.write_text(snippet("javascript") + MAIN, encoding="utf-8")
    call = {"body": example.request.body, "headers": example.request.headers, "secret": example.secret}
    assert json.loads(run_script(script, call).stdout) == example.request.facts
    refused = run_script(script, call | {"body": example.request.body.replace("booked", "missed")})
    assert refused.returncode != 0
    assert "WebhookVerificationError" in refused.stderr


def run_script(script: Path, call: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    assert NODE is not None
    return subprocess.run([NODE, str(script)], input=json.dumps(call), capture_output=True, text=True, timeout=60)
