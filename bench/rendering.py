"""What a mail costs: rendered by notification-service, against the same parts put together by Python's email package.

    .venv/bin/python -m bench.rendering

Both build 500 mails with text, HTML and a calendar file twice, in turn, five times; the figure is the ratio of the fastest rounds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage

from notify_svc.clients.email_renderer import JinjaEmailRenderer
from notify_svc.domain.mail_content import MailContent
from notify_svc.domain.notifications import Audience
from tests.running import NOON
from tests.unit.notify.builders import CLINIC, DETAILS, a_message, a_recipient

MAILS, ROUNDS = 500, 5
RENDERER = JinjaEmailRenderer(CLINIC)
CONTENTS = [
    MailContent(
        a_message(audience=audience), a_recipient(name=f"Mina Pärk {number}", email=f"mina{number}@example.com", locale="de"), DETAILS
    )
    for number in range(MAILS // 2)
    for audience in (Audience.PATIENT, Audience.DOCTOR)
]


def render_all() -> None:
    """Render every mail."""
    for content in CONTENTS:
        RENDERER.render(content, NOON)


def build_with_email_package(headers: dict[str, str], text: str, html: str, calendar: bytes) -> bytes:
    """Return the bytes of a mail with the parts of a rendered one, put together by the email package."""
    mail = EmailMessage()
    for name, value in headers.items():
        mail[name] = value
    mail.set_content(text)
    mail.add_alternative(html, subtype="html")
    mail.add_alternative(calendar, maintype="text", subtype="calendar", params={"method": "REQUEST"})
    mail.add_attachment(calendar, maintype="text", subtype="calendar", filename="appointment.ics")
    return mail.as_bytes(policy=policy.SMTP)


def package_round() -> Callable[[], None]:
    """Return a function that puts the parts of every mail together with the email package, without rendering them."""
    parts = []
    for content in CONTENTS:
        mail = message_from_bytes(RENDERER.render(content, NOON).content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        text, html = mail.get_body(("plain",)), mail.get_body(("html",))
        assert text is not None
        assert html is not None
        calendar = next(part for part in mail.iter_attachments()).get_content()
        headers = {name: str(value) for name, value in mail.items() if not name.lower().startswith(("content-", "mime-"))}
        parts.append((headers, text.get_content(), html.get_content(), calendar.encode() if isinstance(calendar, str) else calendar))

    def build_all() -> None:
        for part in parts:
            build_with_email_package(*part)

    return build_all


def processor_seconds(work: Callable[[], None]) -> float:
    """Return the processor time that a function takes."""
    started = time.process_time()
    work()
    return time.process_time() - started


def main() -> None:
    """Print the ratio."""
    build_all = package_round()
    rounds = [(processor_seconds(render_all), processor_seconds(build_all)) for _ in range(ROUNDS)]
    rendered, built = (min(values) for values in zip(*rounds, strict=True))
    print(f"a rendered mail: {rendered / MAILS * 1000:.2f} ms; the email package alone: {built / MAILS * 1000:.2f} ms")
    print(f"ratio {rendered / built:.2f}")


if __name__ == "__main__":
    main()
