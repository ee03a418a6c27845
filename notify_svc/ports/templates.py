"""Templates of mails: those that are shipped, and the store of those that an admin has overridden."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from notify_svc.domain.templates import MailText, ShippedTemplate, TemplateOverride, TemplatePreview
from shared.contracts.events import Event


class TemplateLibrary(Protocol):
    """The shipped templates, and what renders templates."""

    def list_shipped(self) -> Sequence[ShippedTemplate]:
        """Return all templates in all languages, by kind and language."""

    def find_shipped(self, kind: str, locale: str) -> ShippedTemplate | None:
        """Return a template, or None if there is no such kind or language."""

    def check(self, shipped: ShippedTemplate, content: MailText) -> None:
        """Check whether every mail of the kind can be rendered from `content`.

        Raises TemplateSyntaxInvalid, TemplateVariableUnknown, TemplateVariableMissing or TemplateTooLong.
        """

    def preview(self, shipped: ShippedTemplate, content: MailText) -> TemplatePreview:
        """Return a mail with example data. The content must have been checked."""


class TemplateTransaction(Protocol):
    """A transaction: it commits on leaving and rolls back on any exception."""

    async def lock_override(self, kind: str, locale: str) -> TemplateOverride:
        """Return what was made of a template; no other transaction changes it until this one ends."""

    async def add_event(self, event: Event) -> None:
        """Publish an event once the transaction has committed."""

    async def save_override(self, override: TemplateOverride) -> None:
        """Replace the override of a locked template."""


class TemplateStore(Protocol):
    """The stored overrides."""

    def begin(self) -> AbstractAsyncContextManager[TemplateTransaction]:
        """Open a transaction."""

    async def find_override(self, kind: str, locale: str) -> TemplateOverride | None:
        """Return what was made of a template; None if it was never changed."""

    async def list_overrides(self) -> Sequence[TemplateOverride]:
        """Return all overrides, also those of templates that were reset. There are at most as many as shipped templates."""

    async def count_changes(self) -> int:
        """Return how often templates were replaced or reset. The number grows with every change of any template."""
