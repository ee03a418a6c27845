"""A shoe shop: a small app behind the kit's walls, for what every service promises."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any
from uuid import UUID

import httpx
from fastapi import FastAPI, Query, Request, Response
from pydantic import Field

from shared.contracts import refusals as families
from shared.contracts.identity import Service
from shared.contracts.refusals import Conflict, NotFound, require_version
from shared.contracts.values import Instant, ReadModel, RequestModel, ShortText
from shared.kit import routes
from shared.kit.access import Admin, Public
from shared.kit.app import create_service_app
from shared.kit.clock import MovableClock
from shared.kit.idempotency import IdempotencyKeyReused, IdempotencyStore, OperationId, RequestInProgress
from shared.kit.idempotency import StoredResponse as Kept
from shared.kit.overrides import Overrides
from shared.kit.paging import Page, Paged
from shared.kit.preconditions import IfMatch, RequireIfMatch
from shared.kit.response_headers import with_etag, with_location, with_next_link
from shared.kit.retry import TransactionAborted, retry_on_abort
from shared.kit.settings import CommonSettings
from shared.kit.signing_keys import KeySet
from shared.kit.tokens import Verifier
from shared.kit.transport import InProcessTransport
from tests.tokens import jwks

router = routes.service_router()


class ShopSettings(CommonSettings):
    """The settings of the shop."""

    service = Service.DOCTOR


class NoSuchShoe(NotFound):
    """Raised when a shoe does not exist."""

    code = "no_such_shoe"
    detail = "There is no such shoe."


class NameTaken(Conflict):
    """Raised when another shoe has the name."""

    code = "name_taken"
    detail = "Another shoe has this name."


class NewShoe(RequestModel):
    name: ShortText
    size: Annotated[int, Field(strict=True, ge=1, le=60)] = 40
    made_at: Instant | None = None
    labels: list[ShortText] = Field(default=[], max_length=50)
    width: float = 1.0


class Shoe(ReadModel):
    id: UUID
    name: str
    size: int
    version: int = 1


@dataclass
class Shelf:
    """What the shop has; `ran` counts how often a keyed route did its work, `aborts` how often the store aborts first."""

    shoes: dict[UUID, Shoe] = field(default_factory=dict)
    ran: int = 0
    aborts: int = 0


def shelf(request: Request) -> Shelf:
    found: Shelf = request.app.state.shelf
    return found


@retry_on_abort
async def commit(shelf: Shelf) -> None:
    if shelf.aborts:
        shelf.aborts -= 1
        raise TransactionAborted


@router.post("/shoes", response_model=Shoe, status_code=201)
async def make_shoe(body: NewShoe, request: Request, response: Response, _caller: Admin, once: OperationId) -> Shoe:
    shelf(request).ran += 1
    await commit(shelf(request))
    if body.name == "taken":
        raise NameTaken(names=["other"])
    if body.name == "crash":
        raise RuntimeError("the shelf fell down")
    shoe = shelf(request).shoes.setdefault(once.id, Shoe(id=once.id, name=body.name, size=body.size))
    return with_location(response, shoe, f"/shoes/{shoe.id}")


@router.get("/shoes", response_model=Page[Shoe])
async def list_shoes(
    request: Request,
    response: Response,
    _caller: Public,
    paging: Paged,
    colour: str | None = None,
    size: Annotated[list[int] | None, Query()] = None,
) -> Page[Shoe]:
    shoes = sorted(shelf(request).shoes.values(), key=lambda shoe: (shoe.name, str(shoe.id)))
    after = [shoe for shoe in shoes if paging.after is None or (shoe.name, str(shoe.id)) > paging.after]
    page = paging.page(after[: paging.limit + 1], lambda shoe: (shoe.name, shoe.id))
    return with_next_link(request, response, page)


@router.get("/shoes/{shoe_id}", response_model=Shoe)
async def get_shoe(shoe_id: UUID, request: Request, response: Response, _caller: Public) -> Shoe:
    if shoe_id not in shelf(request).shoes:
        raise NoSuchShoe
    return with_etag(response, shelf(request).shoes[shoe_id])


@router.patch("/shoes/{shoe_id}", response_model=Shoe)
async def amend_shoe(shoe_id: UUID, body: NewShoe, request: Request, response: Response, caller: Admin, expected: RequireIfMatch) -> Shoe:
    shoe = await get_shoe(shoe_id, request, response, caller)
    require_version(shoe.version, expected)
    if body.name == "taken":
        raise NameTaken
    changed = Shoe(id=shoe.id, name=body.name, size=body.size, version=shoe.version + 1)
    shelf(request).shoes[shoe_id] = changed
    return with_etag(response, changed)


@router.post("/shoes/{shoe_id}/polish", response_model=Shoe)
async def polish_shoe(shoe_id: UUID, request: Request, response: Response, caller: Admin, expected: IfMatch) -> Shoe:
    shoe = await get_shoe(shoe_id, request, response, caller)
    require_version(shoe.version, expected)
    return shoe


@router.post("/refusals/{name}")
async def refuse(name: str, request: Request, _caller: Public) -> None:
    shelf(request).ran += 1
    raise getattr(families, name)("It was asked for.", colour="red", retry_after=7, status=200, instance="mine", type="mine")


@router.get("/crash")
async def crash(_caller: Public) -> None:
    raise RuntimeError("a secret detail")


class KeptInMemory:
    """The port of kept answers, in a dictionary."""

    def __init__(self) -> None:
        self.kept: dict[UUID, tuple[str, Kept | None]] = {}

    async def claim(self, key_id: UUID, fingerprint: str) -> Kept | None:
        if key_id not in self.kept:
            self.kept[key_id] = fingerprint, None
            return None
        known, answer = self.kept[key_id]
        if known != fingerprint:
            raise IdempotencyKeyReused(pointer="/Idempotency-Key")
        if answer is None:
            raise RequestInProgress
        return answer

    async def keep(self, key_id: UUID, answer: Kept) -> None:
        self.kept[key_id] = self.kept[key_id][0], answer

    async def release(self, key_id: UUID) -> None:
        self.kept.pop(key_id, None)


@dataclass
class Shop:
    app: FastAPI
    http: httpx.AsyncClient
    shelf: Shelf

    def has(self, name: str = "Boot", **more: Any) -> Shoe:
        from shared.kit.ids import new_id

        shoe = Shoe(id=new_id(), name=name, size=40, **more)
        self.shelf.shoes[shoe.id] = shoe
        return shoe


def build_app() -> FastAPI:
    """A new app. Its lifespan gives every start a fresh state, except for its metrics and its health checks."""
    clock = MovableClock()

    async def keys() -> list[dict[str, Any]]:
        return list(jwks()["keys"])

    @asynccontextmanager
    async def wire(app: FastAPI, _settings: ShopSettings, _overrides: Overrides) -> AsyncIterator[None]:
        app.state.verifier = Verifier(KeySet(keys, clock), "careslot", "careslot", clock)
        app.state.idempotency = KeptInMemory()
        app.state.shelf = Shelf()
        yield

    return create_service_app(ShopSettings(), Overrides(), wire, router)


shared_app = cache(build_app)  # building it takes longer than most tests


@asynccontextmanager
async def shop(answers: IdempotencyStore | None = None, app: FastAPI | None = None) -> AsyncIterator[Shop]:
    """The app over ASGI; responses are stored in memory unless a store is given. Tests share the app unless one is given."""
    app = app or shared_app()
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=InProcessTransport(lambda: app), base_url="http://shop") as http,
    ):
        if answers:
            app.state.idempotency = answers
        yield Shop(app, http, app.state.shelf)
