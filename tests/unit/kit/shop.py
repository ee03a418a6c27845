"""A small app built with the kit, a shoe shop. Tests check on it what every service promises."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Annotated, Any
from uuid import UUID

import httpx
from fastapi import Depends, FastAPI, Query, Request, Response
from pydantic import Field

from shared.contracts import refusals as families
from shared.contracts.identity import Caller, Service
from shared.contracts.refusals import Conflict, NotFound, require_version
from shared.contracts.texts import OneLineText
from shared.contracts.values import Instant, ReadModel, RequestModel
from shared.kit import routes
from shared.kit.access import Admin, Public
from shared.kit.app import create_service_app
from shared.kit.clock import MovableClock
from shared.kit.idempotency import OperationId
from shared.kit.idempotency_store import IdempotencyKeyReused, IdempotencyStore, KeyClaim, RequestInProgress, StoredResponse
from shared.kit.ids import new_id
from shared.kit.overrides import Overrides
from shared.kit.paging import Page, Paged
from shared.kit.preconditions import IfMatch, RequireIfMatch
from shared.kit.replay_checks import ReplayCheck
from shared.kit.requests import ServiceRequest
from shared.kit.response_headers import forbid_storing, with_etag, with_location, with_next_link
from shared.kit.retry import TransactionAborted, retry_on_abort
from shared.kit.settings import CommonSettings
from shared.kit.signing_keys import KeySet
from shared.kit.tokens import Verifier
from shared.kit.transport import InProcessTransport
from tests.tokens import ISSUER, jwks

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
    name: OneLineText
    size: Annotated[int, Field(strict=True, ge=1, le=60)] = 40
    made_at: Instant | None = None
    labels: list[OneLineText] = Field(default=[], max_length=50)
    width: float = 1.0


class Shoe(ReadModel):
    id: UUID
    name: str
    size: int
    version: int = 1


@dataclass
class Stock:
    """The shoes of the shop. `runs` counts how often a POST route ran; the next `aborts` transactions are aborted.

    `lent` are the callers who may lend shoes. With `fails_after_commit` a shoe is created and its answer is lost; while the shop
    `is_closed` there are too many requests.
    """

    shoes: dict[UUID, Shoe] = field(default_factory=dict)
    runs: int = 0
    aborts: int = 0
    lent: set[UUID] = field(default_factory=set)
    fails_after_commit: bool = False
    is_closed: bool = False


def stock_of(request: Request) -> Stock:
    stock: Stock = request.app.state.stock
    return stock


@retry_on_abort
async def commit(stock: Stock) -> None:
    if stock.aborts:
        stock.aborts -= 1
        raise TransactionAborted


@router.post("/shoes", response_model=Shoe, status_code=201)
async def create_shoe(body: NewShoe, request: Request, response: Response, _caller: Admin, operation: OperationId) -> Shoe:
    stock_of(request).runs += 1
    await commit(stock_of(request))
    if body.name == "taken":
        raise NameTaken(names=["other"])
    if body.name == "crash":
        raise RuntimeError("the stock is lost")
    if stock_of(request).is_closed:
        raise families.TooMany("Come back later.", retry_after=7)
    shoe = stock_of(request).shoes.setdefault(operation.id, Shoe(id=operation.id, name=body.name, size=body.size))
    if shoe.name != body.name:
        raise IdempotencyKeyReused(pointer="/Idempotency-Key")
    if stock_of(request).fails_after_commit:
        raise families.Unavailable
    if body.name == "secret":
        forbid_storing(response)
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
    shoes = sorted(stock_of(request).shoes.values(), key=lambda shoe: (shoe.name, str(shoe.id)))
    after = [shoe for shoe in shoes if paging.after is None or (shoe.name, str(shoe.id)) > paging.after]
    page = paging.page(after[: paging.limit + 1], lambda shoe: (shoe.name, shoe.id))
    return with_next_link(request, response, page)


@router.get("/shoes/{shoe_id}", response_model=Shoe)
async def get_shoe(shoe_id: UUID, request: Request, response: Response, _caller: Public) -> Shoe:
    if shoe_id not in stock_of(request).shoes:
        raise NoSuchShoe
    return with_etag(response, stock_of(request).shoes[shoe_id])


@router.patch("/shoes/{shoe_id}", response_model=Shoe)
async def update_shoe(shoe_id: UUID, body: NewShoe, request: Request, response: Response, caller: Admin, expected: RequireIfMatch) -> Shoe:
    shoe = await get_shoe(shoe_id, request, response, caller)
    require_version(shoe.version, expected)
    if body.name == "taken":
        raise NameTaken
    changed = Shoe(id=shoe.id, name=body.name, size=body.size, version=shoe.version + 1)
    stock_of(request).shoes[shoe_id] = changed
    return with_etag(response, changed)


@router.post("/shoes/{shoe_id}/polish", response_model=Shoe)
async def polish_shoe(shoe_id: UUID, request: Request, response: Response, caller: Admin, expected: IfMatch) -> Shoe:
    shoe = await get_shoe(shoe_id, request, response, caller)
    require_version(shoe.version, expected)
    return shoe


async def check_lender(request: ServiceRequest, caller: Caller, _operation_id: UUID) -> None:
    if caller.id not in stock_of(request).lent:
        raise NoSuchShoe


@router.post("/shoes/{shoe_id}/lend", response_model=Shoe, dependencies=[Depends(ReplayCheck(check_lender))])
async def lend_shoe(shoe_id: UUID, request: Request, response: Response, caller: Admin) -> Shoe:
    stock_of(request).runs += 1
    return await get_shoe(shoe_id, request, response, caller)


@router.post("/refusals/{name}")
async def refuse(name: str, request: Request, _caller: Public) -> None:
    stock_of(request).runs += 1
    raise getattr(families, name)("The test requests this refusal.", colour="red", retry_after=7, status=200, instance="mine", type="mine")


@router.get("/crash")
async def crash(_caller: Public) -> None:
    raise RuntimeError("a secret detail")


class InMemoryIdempotencyStore:
    """The port IdempotencyStore on a dictionary: the fingerprint and the claim, with the response once there is one, by key id."""

    def __init__(self) -> None:
        self.entries: dict[UUID, tuple[str, KeyClaim]] = {}
        self.reopened: set[UUID] = set()

    async def claim(self, key_id: UUID, fingerprint: str) -> KeyClaim:
        if key_id not in self.entries:
            self.entries[key_id] = fingerprint, KeyClaim(new_id())
            return replace(self.entries[key_id][1], is_first_run=True)
        stored_fingerprint, claim = self.entries[key_id]
        if stored_fingerprint != fingerprint:
            raise IdempotencyKeyReused(pointer="/Idempotency-Key")
        if claim.response is None and key_id not in self.reopened:
            raise RequestInProgress
        self.reopened.discard(key_id)
        return claim

    async def save_response(self, key_id: UUID, response: StoredResponse) -> None:
        fingerprint, claim = self.entries[key_id]
        self.entries[key_id] = fingerprint, replace(claim, response=response)

    async def reopen(self, key_id: UUID) -> None:
        self.reopened.add(key_id)

    async def release(self, key_id: UUID) -> None:
        self.entries.pop(key_id, None)
        self.reopened.discard(key_id)


@dataclass
class Shop:
    """The running app, a client of it and its stock."""

    app: FastAPI
    http: httpx.AsyncClient
    stock: Stock

    def add_shoe(self, name: str = "Boot", version: int = 1) -> Shoe:
        """Add a shoe to the stock, without a request, and return it."""
        shoe = Shoe(id=new_id(), name=name, size=40, version=version)
        self.stock.shoes[shoe.id] = shoe
        return shoe


def build_app() -> FastAPI:
    """Return a new app. Each start of its lifespan begins with an empty stock; metrics and health checks stay."""
    clock = MovableClock()

    async def fetch_keys() -> list[dict[str, Any]]:
        return list(jwks()["keys"])

    @asynccontextmanager
    async def wire(app: FastAPI, _settings: ShopSettings, _overrides: Overrides) -> AsyncIterator[None]:
        app.state.verifier = Verifier(KeySet(fetch_keys, clock), ISSUER, "careslot", clock)
        app.state.idempotency = InMemoryIdempotencyStore()
        app.state.stock = Stock()
        yield

    return create_service_app(ShopSettings(), Overrides(), wire, router)


shared_app = cache(build_app)  # to build the app takes longer than most tests


@asynccontextmanager
async def open_shop(idempotency: IdempotencyStore | None = None, app: FastAPI | None = None) -> AsyncIterator[Shop]:
    """Run the app over ASGI. Without `idempotency`, responses are stored in memory; without `app`, tests share one app."""
    app = app or shared_app()
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=InProcessTransport(lambda: app), base_url="http://shop") as http,
    ):
        if idempotency:
            app.state.idempotency = idempotency
        yield Shop(app, http, app.state.stock)
