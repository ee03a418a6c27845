"""HEAD, conditional requests, compressed responses and encoded requests, as every service handles them."""

from __future__ import annotations

import gzip
import json

import httpx
import pytest
from fastapi import FastAPI, Response
from fastapi.responses import PlainTextResponse, StreamingResponse

from shared.contracts.identity import Role
from shared.kit.content_middleware import MIN_BYTES_FOR_THREAD, MIN_COMPRESSED_BYTES, ContentMiddleware
from shared.kit.response_headers import forbid_storing
from shared.kit.transport import InProcessTransport
from tests.tokens import bearer
from tests.unit.kit.shop import Shop

ADMIN = bearer(Role.ADMIN)
GZIP, IDENTITY = {"Accept-Encoding": "gzip"}, {"Accept-Encoding": "identity"}


def content_app() -> FastAPI:
    """Return an app whose responses are of many types and lengths, behind ContentMiddleware."""
    app = FastAPI(openapi_url=None)
    app.add_middleware(ContentMiddleware)

    @app.get("/text/{length}")
    async def get_text(length: int) -> Response:
        return PlainTextResponse("a" * length, headers={"ETag": '"7"', "Cache-Control": "max-age=5", "Content-Language": "de"})

    @app.get("/stream")
    async def get_stream() -> Response:
        return StreamingResponse((b"part %d " % number for number in range(3)), media_type="text/csv")

    @app.get("/encoded")
    async def get_encoded() -> Response:
        return Response(gzip.compress(b"b" * 5000), media_type="text/plain", headers={"Content-Encoding": "gzip"})

    @app.get("/picture")
    async def get_picture() -> Response:
        return Response(b"c" * 5000, media_type="image/png")

    @app.get("/part")
    async def get_part() -> Response:
        return PlainTextResponse("d" * 5000, 206)

    @app.get("/refusal")
    async def get_refusal() -> Response:
        return Response("e" * 5000, 422, media_type="application/problem+json")

    @app.post("/token")
    async def post_token() -> Response:
        response = PlainTextResponse("t" * 5000)
        forbid_storing(response)
        return response

    @app.get("/changing")
    async def get_changing() -> Response:
        return PlainTextResponse("f", headers={"ETag": '"7"', "Vary": "*"})

    return app


def client_of(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=InProcessTransport(lambda: app), base_url="http://test", headers=IDENTITY)


async def raw_body(app: FastAPI, path: str, headers: dict[str, str], method: str = "GET") -> tuple[httpx.Response, bytes]:
    """Return a response and its content as it was sent, not decoded."""
    transport = InProcessTransport(lambda: app)
    response = await transport.handle_async_request(httpx.Request(method, f"http://test{path}", headers=headers))
    assert isinstance(response.stream, httpx.AsyncByteStream)
    return response, b"".join([chunk async for chunk in response.stream])


async def test_head_is_answered_like_get_without_content(shop: Shop) -> None:
    shoe = shop.add_shoe(version=7)
    missing = "/shoes/0190a1b2-0000-7000-8000-00000000000a"
    for path in (f"/shoes/{shoe.id}", "/shoes", "/livez", "/readyz", "/openapi.json", "/shoes?limit=0", missing, "/nowhere"):
        for headers in ({}, ADMIN, GZIP, IDENTITY):
            get, head = await shop.http.get(path, headers=headers), await shop.http.head(path, headers=headers)
            assert (head.status_code, head.content) == (get.status_code, b""), path
            changing = {"x-request-id"} | ({"content-length"} if get.status_code >= 400 else set())
            assert {name: value for name, value in head.headers.items() if name not in changing} == {
                name: value for name, value in get.headers.items() if name not in changing
            }
    assert (await shop.http.head(f"/shoes/{shoe.id}/polish", headers=ADMIN)).headers["allow"] == "POST"


async def test_head_is_counted_by_its_own_method_and_its_route(new_shop: Shop) -> None:
    await new_shop.http.head(f"/shoes/{new_shop.add_shoe().id}")
    metrics = (await new_shop.http.get("/metrics")).text
    assert 'http_requests_total{method="HEAD",route="/shoes/{shoe_id}",status="200"} 1.0' in metrics


async def test_a_response_that_the_client_has_is_304(shop: Shop) -> None:
    path = f"/shoes/{shop.add_shoe(version=7).id}"
    for method in ("GET", "HEAD"):
        for tags in ('"7"', 'W/"7"', '"6", "7"', "*"):
            response = await shop.http.request(method, path, headers=ADMIN | {"If-None-Match": tags})
            assert (response.status_code, response.content) == (304, b"")
            assert (response.headers["etag"], response.headers["cache-control"]) == ('"7"', "no-store")
            assert not {"content-length", "content-type", "content-encoding"} & response.headers.keys()
        for tags in ('"6"', '"77"', "7", "", "garbage"):
            assert (await shop.http.request(method, path, headers={"If-None-Match": tags})).status_code == 200


async def test_several_lines_of_if_none_match_are_one_list(shop: Shop) -> None:
    path = f"/shoes/{shop.add_shoe(version=7).id}"
    for tags, status in ((['"6"', '"7"'], 304), (['"7"', '"6"'], 304), (['"5", "6"', 'W/"7"'], 304), (['"5"', '"6"'], 200)):
        lines = [*ADMIN.items(), *(("If-None-Match", line) for line in tags)]
        assert (await shop.http.get(path, headers=lines)).status_code == status, tags


async def test_a_condition_does_not_replace_a_refusal_and_is_ignored_by_changes(shop: Shop) -> None:
    shoe, any_tag = shop.add_shoe(), {"If-None-Match": "*"}
    assert (await shop.http.get("/shoes/0190a1b2-0000-7000-8000-00000000000a", headers=any_tag)).status_code == 404
    assert (await shop.http.get(f"/shoes/{shoe.id}?x=1", headers=any_tag)).status_code == 422
    assert (await shop.http.get("/shoes", headers=any_tag)).status_code == 200, "a list has no ETag"
    changed = await shop.http.patch(f"/shoes/{shoe.id}", json={"name": "b"}, headers=ADMIN | any_tag | {"If-Match": '"1"'})
    assert changed.status_code == 200


async def test_a_response_that_depends_on_more_than_the_request_is_always_sent() -> None:
    async with client_of(content_app()) as http:
        assert (await http.get("/changing", headers={"If-None-Match": '"7"'})).status_code == 200


@pytest.mark.parametrize("length", [MIN_COMPRESSED_BYTES, 5000, MIN_BYTES_FOR_THREAD + 1])
async def test_a_long_response_is_compressed_for_clients_that_accept_it(length: int) -> None:
    plain, plain_body = await raw_body(content_app(), f"/text/{length}", IDENTITY)
    compressed, body = await raw_body(content_app(), f"/text/{length}", GZIP)
    assert (plain_body, gzip.decompress(body)) == (b"a" * length, b"a" * length)
    assert (compressed.headers["content-encoding"], int(compressed.headers["content-length"])) == ("gzip", len(body))
    assert len(body) < length / 10
    assert "content-encoding" not in plain.headers
    for response in (plain, compressed):
        assert (response.headers["etag"], response.headers["vary"], response.headers["content-language"]) == (
            '"7"',
            "Accept-Encoding",
            "de",
        )


async def test_a_compressed_response_is_conditional_and_answers_head_too() -> None:
    async with client_of(content_app()) as http:
        unchanged = await http.get("/text/5000", headers=GZIP | {"If-None-Match": '"7"'})
        assert (unchanged.status_code, unchanged.headers["vary"], unchanged.headers["cache-control"]) == (
            304,
            "Accept-Encoding",
            "max-age=5",
        )
        assert not {"content-encoding", "content-language", "content-length"} & unchanged.headers.keys()
        get, _ = await raw_body(content_app(), "/text/5000", GZIP)
        head, body = await raw_body(content_app(), "/text/5000", GZIP, "HEAD")
        assert (head.headers, body) == (get.headers, b"")


@pytest.mark.parametrize("path", [f"/text/{MIN_COMPRESSED_BYTES - 1}", "/picture", "/part"])
async def test_short_encoded_and_partial_responses_are_sent_as_they_are(path: str) -> None:
    response, _ = await raw_body(content_app(), path, GZIP)
    assert not {"content-encoding", "vary"} & response.headers.keys()


async def test_an_encoded_response_is_not_encoded_again() -> None:
    async with client_of(content_app()) as http:
        assert (await http.get("/encoded", headers=GZIP)).content == b"b" * 5000


async def test_a_response_with_tokens_is_never_compressed() -> None:
    response, body = await raw_body(content_app(), "/token", GZIP, "POST")
    assert (body, "content-encoding" in response.headers) == (b"t" * 5000, False)


async def test_a_stream_is_compressed_part_by_part() -> None:
    response, body = await raw_body(content_app(), "/stream", GZIP)
    assert (gzip.decompress(body), response.headers["content-encoding"]) == (b"part 0 part 1 part 2 ", "gzip")
    assert (await raw_body(content_app(), "/stream", IDENTITY))[1] == b"part 0 part 1 part 2 "


async def test_a_long_refusal_is_compressed_too() -> None:
    response, body = await raw_body(content_app(), "/refusal", GZIP)
    assert (response.status_code, gzip.decompress(body)) == (422, b"e" * 5000)


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "GZIP", "identity, gzip", "unknown"])
async def test_a_body_with_a_content_encoding_is_415(shop: Shop, encoding: str) -> None:
    content = gzip.compress(json.dumps({"name": "a"}).encode())
    headers = ADMIN | {"Content-Type": "application/json", "Content-Encoding": encoding}
    for path in ("/shoes", "/refusals/Invalid"):
        response = await shop.http.post(path, content=content, headers=headers)
        assert (response.status_code, response.json()["code"]) == (415, "unsupported_content_encoding")
        assert response.headers["accept-encoding"] == "identity"
    assert (shop.stock.runs, shop.stock.shoes) == (0, {})


@pytest.mark.parametrize("encoding", ["identity", "Identity", ""])
async def test_identity_is_accepted_as_a_content_encoding(shop: Shop, encoding: str) -> None:
    assert (await shop.http.post("/shoes", json={"name": "a"}, headers=ADMIN | {"Content-Encoding": encoding})).status_code == 201
