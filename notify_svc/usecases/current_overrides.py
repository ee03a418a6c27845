"""The overrides of templates that mails are rendered with. Every instance has its own copy."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from notify_svc.domain.templates import Overrides
from notify_svc.ports.templates import TemplateStore
from shared.contracts.refusals import Unavailable
from shared.kit.clock import Clock
from shared.kit.retry import retry_on_abort

CHECKED_AFTER = timedelta(seconds=2)
NEVER_READ = -1


@dataclass(slots=True)
class CurrentOverrides:
    """A copy of the overrides. Before a mail it asks for the number of changes, at most every two seconds, and reads all again after one.

    So a change is seen within two seconds on every instance, and at once on the one that made it.
    """

    store: TemplateStore
    now: Clock
    _overrides: Overrides = field(default_factory=dict, init=False)
    _changes: int = field(default=NEVER_READ, init=False)
    _checked_at: datetime | None = field(default=None, init=False)

    async def read(self) -> Overrides:
        """Return the overrides; those that were read last if the database does not answer, so that no mail depends on them."""
        now = self.now()
        if self._checked_at is None or not timedelta(0) <= now - self._checked_at < CHECKED_AFTER:
            try:
                await self._refresh()
            except Unavailable:
                return self._overrides
            self._checked_at = now
        return self._overrides

    def forget(self) -> None:
        """Check for changes before the next mail."""
        self._checked_at = None

    @retry_on_abort
    async def _refresh(self) -> None:
        changes = await self.store.count_changes()
        if changes == self._changes:
            return
        stored = await self.store.list_overrides()
        self._overrides = {(override.kind, override.locale): override.content for override in stored if override.content is not None}
        self._changes = changes
