"""Reading and overriding the templates of mails."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from notify_svc.domain.template_refusals import NoSuchTemplate
from notify_svc.domain.templates import MailTemplate, MailText, ShippedTemplate, TemplateOverride, TemplatePreview
from notify_svc.ports.templates import TemplateLibrary, TemplateStore
from notify_svc.usecases.current_overrides import CurrentOverrides
from shared.contracts.derived_ids import derive_id
from shared.contracts.events import AuditRecorded
from shared.contracts.identity import Caller, Service
from shared.contracts.refusals import require_version
from shared.kit.audit import audit_event
from shared.kit.clock import Clock
from shared.kit.retry import retry_on_abort

TEMPLATE_IDS = UUID("7e1b7a0e-2f3c-4a52-9d5e-1f0f6a5b9c31")
"""The namespace of the ids under which the audit trail names templates, which have a kind and a language."""


@dataclass(frozen=True, slots=True)
class Templates:
    """The use cases of templates."""

    store: TemplateStore
    library: TemplateLibrary
    current: CurrentOverrides
    now: Clock

    @retry_on_abort
    async def list_templates(self, limit: int, after: tuple[str, ...] | None) -> list[MailTemplate]:
        """Return up to `limit` + 1 templates that come after a kind and language, by kind and language."""
        overrides = {(override.kind, override.locale): override for override in await self.store.list_overrides()}
        shipped = [template for template in self.library.list_shipped() if after is None or (template.kind, template.locale) > after]
        return [MailTemplate.of(template, overrides.get((template.kind, template.locale))) for template in shipped[: limit + 1]]

    @retry_on_abort
    async def get(self, kind: str, locale: str) -> MailTemplate:
        """Return the template that is in force. Raises NoSuchTemplate."""
        shipped = self._require_shipped(kind, locale)
        return MailTemplate.of(shipped, await self.store.find_override(kind, locale))

    async def replace(self, kind: str, locale: str, content: MailText, expected_version: int | None, *, by: Caller) -> MailTemplate:
        """Use `content` instead of the shipped text. Raises NoSuchTemplate, Stale, or the refusal of a text that cannot be used."""
        shipped = self._require_shipped(kind, locale)
        self.library.check(shipped, content)
        return await self._change(shipped, content, expected_version, by)

    async def reset(self, kind: str, locale: str, expected_version: int | None, *, by: Caller) -> MailTemplate:
        """Use the shipped text again, and return it. Raises NoSuchTemplate or Stale."""
        return await self._change(self._require_shipped(kind, locale), None, expected_version, by)

    async def preview(self, kind: str, locale: str, subject: str | None, text: str | None) -> TemplatePreview:
        """Return a mail with example data. A subject or text that is None is that of the template in force.

        Raises NoSuchTemplate, or the refusal of a text that cannot be used.
        """
        shipped, in_force = self._require_shipped(kind, locale), (await self.get(kind, locale)).content
        content = MailText(in_force.subject if subject is None else subject, in_force.text if text is None else text)
        if content != shipped.content:
            self.library.check(shipped, content)
        return self.library.preview(shipped, content)

    def _require_shipped(self, kind: str, locale: str) -> ShippedTemplate:
        shipped = self.library.find_shipped(kind, locale)
        if shipped is None:
            raise NoSuchTemplate
        return shipped

    async def _change(self, shipped: ShippedTemplate, content: MailText | None, expected_version: int | None, by: Caller) -> MailTemplate:
        changed = await self._save(shipped, content, expected_version, by)
        self.current.forget()
        return changed

    @retry_on_abort
    async def _save(self, shipped: ShippedTemplate, content: MailText | None, expected_version: int | None, by: Caller) -> MailTemplate:
        """Store a change, unless the template has this content already."""
        async with self.store.begin() as tx:
            before = await tx.lock_override(shipped.kind, shipped.locale)
            require_version(MailTemplate.of(shipped, before).version, expected_version)
            if before.content == content:
                return MailTemplate.of(shipped, before)
            override = replace(before, content=content, changes=before.changes + 1)
            await tx.save_override(override)
            await tx.add_event(_audit_event(override, by, self.now()))
        return MailTemplate.of(shipped, override)


def _audit_event(override: TemplateOverride, by: Caller, at: datetime) -> AuditRecorded:
    action = "template.change" if override.content is not None else "template.reset"
    state = {"kind": override.kind, "locale": override.locale, "changes": str(override.changes)}
    return audit_event(Service.NOTIFICATION, by, action, derive_id(TEMPLATE_IDS, override.kind, override.locale), at=at, after=state)
