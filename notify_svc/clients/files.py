"""A mailbox in a folder, for development: one `.eml` file per mail, named by its Message-ID, so that a repeated mail is stored once."""

from __future__ import annotations

import asyncio
import os
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import quote

from notify_svc.ports import MailDeferred, RenderedMail


class FileMailbox:
    """Implements Mailbox. Each mail is stored completely or not at all."""

    repeatable = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    async def deliver(self, mail: RenderedMail) -> None:
        try:
            await asyncio.to_thread(self._write, mail)
        except OSError as error:
            raise MailDeferred(type(error).__name__) from error

    def messages(self) -> list[dict[str, Any]]:
        """Return the mails, oldest first, as the development API shows them."""
        paths = sorted(self._folder.glob("*.eml"), key=lambda path: (path.stat().st_mtime_ns, path.name))
        return [_mail_view(path) for path in paths]

    def clear(self) -> None:
        """Delete all mails."""
        for path in self._folder.glob("*.eml"):
            path.unlink(missing_ok=True)

    def _write(self, mail: RenderedMail) -> None:
        name = quote(mail.message_id.strip("<>"), safe="@.-_")
        path, draft = self._folder / f"{name}.eml", self._folder / f"{name}.draft"
        if path.exists():
            return
        with draft.open("wb") as file:
            file.write(mail.content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)  # so that the new name, too, survives a power failure
        finally:
            os.close(folder)


def _mail_view(path: Path) -> dict[str, Any]:
    mail = message_from_bytes(path.read_bytes(), policy=policy.default)
    assert isinstance(mail, EmailMessage)
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    return {
        "to": str(mail["To"]),
        "subject": str(mail["Subject"]),
        "text": _text_of(text),
        "html": _text_of(html),
        "attachments": [_attachment_view(part) for part in mail.iter_attachments()],
        "message_id": str(mail["Message-ID"]),
    }


def _text_of(part: Any) -> str:
    return str(part.get_content()).replace("\r\n", "\n") if part else ""


def _attachment_view(part: Any) -> dict[str, Any]:
    content = part.get_content()
    text = content.decode("utf-8", "replace") if isinstance(content, bytes) else content
    return {"filename": part.get_filename(), "content_type": part.get_content_type(), "content": text}
