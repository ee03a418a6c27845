"""The HTML part of a mail, made from its text: paragraphs, links, and the details of the visit as a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from markupsafe import escape

from notify_svc.clients.mail_variables import DetailRows, TemplateContext
from notify_svc.domain.mail_content import Clinic
from notify_svc.domain.templates import MailText

PAGE = """<!doctype html>
<html lang="{language}">
<head><meta charset="utf-8"><title>{title}</title></head>
<body style="font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; max-width: 36em; margin: 0 auto; padding: 1em">
{logo}<h1 style="font-size: 1.25em">{title}</h1>
{body}
</body>
</html>
"""
ROW = '<tr><th scope="row" style="text-align: left; padding: .2em 1em .2em 0">{label}</th><td>{value}</td></tr>'


def html_body(mail: MailText, language: str, context: TemplateContext, links: Iterable[str], clinic: Clinic) -> str:
    """Return a mail as HTML. The lines of the text that are the details of the visit become a table.

    Only `links` become links: an address that is a part of a name stays text.
    """
    table, details = _table(context.rows), context.variables.get("details")
    blocks = list[str]()
    for number, part in enumerate(mail.text.split(details) if details else [mail.text]):
        if number:
            blocks.append(table)
        blocks.extend(_paragraphs(part, links))
    return PAGE.format(language=language, title=escape(mail.subject), logo=_logo_image(clinic), body="\n".join(blocks))


def _logo_image(clinic: Clinic) -> str:
    if clinic.logo_url is None:
        return ""
    return f'<img src="{escape(clinic.logo_url)}" alt="{escape(clinic.name)}" style="max-height: 4em; max-width: 100%">\n'


def with_signature(mail: MailText, clinic: Clinic) -> MailText:
    """Return a mail with the clinic's address and phone number below its text."""
    return MailText(mail.subject, f"{mail.text}\n{clinic.signature}\n") if clinic.signature else mail


def _table(rows: DetailRows) -> str:
    lines = [ROW.format(label=escape(label), value=escape(value)) for label, value in rows]
    return "\n".join(['<table style="border-collapse: collapse">', *lines, "</table>"])


def _paragraphs(text: str, links: Iterable[str]) -> Iterator[str]:
    for paragraph in text.split("\n\n"):
        if not paragraph.strip():
            continue
        html = str(escape(paragraph.strip("\n"))).replace("\n", "<br>\n")
        for link in links:
            html = html.replace(str(escape(link)), f'<a href="{escape(link)}">{escape(link)}</a>')
        yield f"<p>{html}</p>"
