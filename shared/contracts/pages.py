"""Pages of lists, as every service answers them."""

from __future__ import annotations

from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict

T = TypeVar("T")


class Page(BaseModel, Generic[T]):
    """One page of a list. `next` is the cursor of the following page, null on the last one."""

    model_config = ConfigDict(from_attributes=True, arbitrary_types_allowed=True, json_schema_serialization_defaults_required=True)
    items: list[T]
    next: str | None = None
