"""The copy of the clinic's settings among the documents."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ValidationError

from appointment_svc.repository.documents import Documents
from shared.contracts.clinic import ClinicSettings

NAME = "clinic_settings"


@dataclass(frozen=True, slots=True)
class DocumentSettingsCopy:
    """Implements SettingsCopy. The settings stand beside the progress of jobs, under a name of their own."""

    documents: Documents

    async def read(self) -> ClinicSettings | None:
        document = await self.documents.find_progress(NAME)
        try:
            return None if document is None else ClinicSettings.model_validate(document)
        except ValidationError:  # written by a newer release; the settings are fetched again soon
            return None

    async def store(self, settings: ClinicSettings) -> None:
        await self.documents.save_progress(NAME, settings.model_dump(mode="json"))
