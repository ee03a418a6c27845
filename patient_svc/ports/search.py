"""What the search for patients needs from outside."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol
from uuid import UUID

from patient_svc.domain.patients import Patient
from patient_svc.domain.search import PatientQuery, SearchResult
from patient_svc.domain.search_ranges import KeyTerms


class SearchStore(Protocol):
    """The part of PatientStore that searches. Each of its lookups reads a bounded number of rows from an index."""

    async def find_matches(self, query: PatientQuery, account_ids: Collection[UUID]) -> SearchResult:
        """Return the patients who match a query or have one of the accounts, without an order."""


class SearchTransaction(Protocol):
    """The part of PatientTransaction that reads the patients of a search, and keeps the index. They are not locked."""

    async def list_patients(self, ids: Sequence[UUID]) -> list[Patient]:
        """Return the patients that exist among `ids`, in their order."""

    async def list_candidates(self, lookups: Collection[KeyTerms], ids: Collection[UUID], limit: int) -> tuple[list[Patient], bool]:
        """Return the patients with these ids and those whom one of the lookups finds, at most `limit` of each lookup.

        The second value is False if there may be others whom a lookup would find.
        """

    async def index_patients(self, limit: int) -> int:
        """Make the keys of up to `limit` patients whose keys are missing or were made by older rules; return how many."""


class AccountDirectory(Protocol):
    """auth-service, which has the email addresses of patients with an account."""

    async def find_by_email(self, emails: Collection[str]) -> list[UUID] | None:
        """Return the ids of the accounts with one of these complete addresses, or None if auth-service does not answer."""
