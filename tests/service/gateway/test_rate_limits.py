"""Rate limits of the gateway, over real sockets. The scale makes the limits small: at 0.1 they are 60, 30, 2 and 6 requests a minute."""

from __future__ import annotations

import asyncio
import random
import re
from typing import Any
from uuid import uuid4

import pytest

from shared.contracts.identity import Role, Service
from tests.service.gateway.running_gateway import ClientResponse, RunningGateway, running_gateway, unused_url
from tests.tokens import bearer, service_bearer

LOGIN = {"content-type": "application/json"}


async def statuses(gateway: RunningGateway, count: int, method: str, target: str, headers: dict[str, str] | None = None) -> list[int]:
    return [(await gateway.request(method, target, headers)).status for _ in range(count)]


def quotas(response: ClientResponse) -> dict[str, dict[str, int]]:
    """Return the parameters of both headers by the name of the limit."""
    read: dict[str, dict[str, int]] = {}
    for header in ("ratelimit-policy", "ratelimit"):
        for item in response.headers[header].split(", "):
            name, *parameters = item.split(";")
            values = {key: int(value) for key, _, value in (parameter.partition("=") for parameter in parameters)}
            read.setdefault(name.strip('"'), {}).update(values)
    return read


async def test_a_client_that_sends_too_much_gets_429_with_the_time_to_wait() -> None:
    async with running_gateway(rate_scale=0.01, cors_origins="https://app.example") as gateway:
        assert await statuses(gateway, 3, "GET", "/doctors") == [200, 200, 200]
        refused = await gateway.request("GET", "/doctors", {"origin": "https://app.example"})
        problem = refused.json()
        assert (refused.status, problem["code"], problem["status"]) == (429, "rate_limited", 429)
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.headers["cache-control"] == "no-store"
        assert refused.headers["access-control-allow-origin"] == "https://app.example"
        assert "Retry-After" in refused.headers["access-control-expose-headers"]
        assert 50 < int(refused.headers["retry-after"]) == problem["retry_after"] <= 60
        assert quotas(refused) == {"address": {"q": 3, "w": 60, "r": 0, "t": problem["retry_after"]}}
        assert len(gateway[Service.DOCTOR].requests) == 3, "a refused request does not reach the service"


@pytest.mark.parametrize(
    ("request_line", "status", "headers"),
    [
        ("GET /doctors", 200, {}),
        ("GET /status", 200, {}),
        ("GET /docs", 200, {}),
        ("GET /nowhere", 404, {}),
        ("GET /slots", 503, {}),
        ("GET /doctors", 401, {"authorization": "Bearer x"}),
        ("GET /doctors", 401, {"authorization": "Basic eDp5"}),
    ],
)
async def test_every_limited_response_says_what_is_left(request_line: str, status: int, headers: dict[str, str]) -> None:
    async with running_gateway() as gateway:
        method, path = request_line.split()
        response = await gateway.request(method, path, headers)
        assert response.status == status
        assert quotas(response) == {"address": {"q": 300, "w": 60, "r": 299, "t": 60}}


async def test_the_headers_name_every_limit_of_the_request() -> None:
    async with running_gateway() as gateway:
        response = await gateway.request("POST", "/auth/login", LOGIN, b"{}")
        assert response.headers["ratelimit-policy"] == '"address";q=300;w=60, "sign-in";q=20;w=60'
        assert re.fullmatch(r'"address";r=299;t=\d+, "sign-in";r=19;t=\d+', response.headers["ratelimit"])


async def test_health_checks_and_preflight_requests_have_no_limit() -> None:
    async with running_gateway(rate_scale=0.001, cors_origins="*") as gateway:
        preflight = {"origin": "https://app.example", "access-control-request-method": "POST"}
        for method, path, headers, status in (
            ("GET", "/livez", {}, 200),
            ("GET", "/readyz", {}, 200),
            ("OPTIONS", "/holds", preflight, 204),
        ):
            for _ in range(3):
                response = await gateway.request(method, path, headers)
                assert (response.status, response.headers.get("ratelimit")) == (status, None)
        assert (await gateway.request("GET", "/doctors")).status == 200


async def test_the_gateways_own_paths_are_limited_too() -> None:
    async with running_gateway(rate_scale=0.01) as gateway:
        paths = ["/openapi.json", "/docs", "/nowhere", "/status", "/docs"]
        responses = [await gateway.request("GET", path) for path in paths]
        assert [response.status for response in responses] == [200, 200, 404, 429, 429]


@pytest.mark.parametrize("path", ["/", "/docs", "/docs/start.js", "/openapi.json", "/asyncapi.json", "/problems", "/status", "/nowhere"])
async def test_the_gateways_own_paths_count_by_account_too(path: str) -> None:
    async with running_gateway() as gateway:
        response = await gateway.request("GET", path, bearer(Role.PATIENT))
        assert quotas(response) == {"account": {"q": 600, "w": 60, "r": 599, "t": 60}}


async def test_each_account_has_its_own_limit_wherever_it_is() -> None:
    async with running_gateway(rate_scale=0.01) as gateway:
        one, two = bearer(Role.PATIENT), bearer(Role.PATIENT)
        assert await statuses(gateway, 7, "GET", "/doctors", one) == [200] * 6 + [429]
        assert await statuses(gateway, 4, "GET", "/doctors") == [200] * 3 + [429], "the address has a limit of its own"
        assert await statuses(gateway, 7, "GET", "/doctors", two) == [200] * 6 + [429], "an exhausted address does not stop an account"


async def test_all_tokens_of_an_account_share_one_limit() -> None:
    async with running_gateway(rate_scale=0.01) as gateway:
        account = uuid4()
        answers = [await gateway.request("GET", "/doctors", bearer(Role.PATIENT, account)) for _ in range(7)]
        assert [answer.status for answer in answers] == [200] * 6 + [429]


async def test_an_api_client_counts_by_its_client_id() -> None:
    async with running_gateway(rate_scale=0.01) as gateway:
        assert await statuses(gateway, 7, "GET", "/doctors", service_bearer("auth-service")) == [200] * 6 + [429]
        assert await statuses(gateway, 1, "GET", "/doctors", service_bearer("doctor-service")) == [200]


async def test_an_invalid_token_is_401_and_counts_against_the_address() -> None:
    async with running_gateway(rate_scale=0.01) as gateway:
        answers = await statuses(gateway, 4, "GET", "/patients/me", {"authorization": "Bearer x"})
        assert answers == [401, 401, 401, 429]
        assert await statuses(gateway, 1, "GET", "/doctors") == [429]


async def test_a_forged_account_does_not_take_from_the_limit_of_the_real_one() -> None:
    async with running_gateway(rate_scale=0.01) as gateway:
        account = uuid4()
        forged = {"authorization": bearer(Role.PATIENT, account)["Authorization"][:-8] + "AAAAAAAA"}
        assert await statuses(gateway, 3, "GET", "/patients/me", forged) == [401, 401, 401]
        assert quotas(await gateway.request("GET", "/patients/me", bearer(Role.PATIENT, account)))["account"]["r"] == 5


async def test_the_routes_that_sign_in_share_a_limit_per_address() -> None:
    async with running_gateway(rate_scale=0.1) as gateway:
        paths = ["/auth/login", "/auth/token", "/auth/register", "/auth/password/forgot"]
        answers = [(await gateway.request("POST", path, LOGIN, b"{}")).status for path in paths]
        assert answers == [200, 200, 429, 429]
        assert await statuses(gateway, 3, "POST", "/auth/login", bearer(Role.PATIENT)) == [429] * 3, "a token does not help"
        response = await gateway.request("POST", "/auth/refresh", LOGIN, b"{}")
        assert (response.status, quotas(response)["address"]["r"]) == (200, 27), "refused requests do not count"


async def test_bookings_and_holds_share_a_limit_per_account() -> None:
    async with running_gateway(rate_scale=0.04) as gateway:
        patient = bearer(Role.PATIENT)
        answers = [(await gateway.request("POST", path, patient | LOGIN, b"{}")).status for path in ["/appointments", "/holds", "/holds"]]
        assert answers == [503, 503, 429], "the services behind these paths are down in this test"
        refused = await gateway.request("POST", "/appointments", patient | LOGIN, b"{}")
        assert (refused.status, quotas(refused)["booking"]["r"], quotas(refused)["account"]["r"]) == (429, 0, 22)
        assert await statuses(gateway, 1, "GET", "/doctors", patient) == [200]


async def test_the_token_endpoint_refuses_too_many_requests_as_oauth_does() -> None:
    async with running_gateway(rate_scale=0.05, cors_origins="https://app.example") as gateway:
        assert await statuses(gateway, 1, "POST", "/auth/token") == [200]
        refused = await gateway.request("POST", "/auth/token", {"origin": "https://app.example"})
        assert (refused.status, refused.json()) == (429, {"error": "temporarily_unavailable"})
        assert (refused.headers["content-type"], refused.headers["cache-control"]) == ("application/json", "no-store")
        assert int(refused.headers["retry-after"]) == quotas(refused)["sign-in"]["t"]
        assert refused.headers["access-control-allow-origin"] == "https://app.example"


async def test_a_request_that_the_gateway_cannot_read_does_not_count() -> None:
    async with running_gateway(rate_scale=0.01) as gateway:
        assert await statuses(gateway, 5, "GET", "/doctors//x") == [404] * 5
        assert await statuses(gateway, 3, "GET", "/doctors") == [200] * 3


async def test_a_client_cannot_choose_its_address() -> None:
    async with running_gateway(rate_scale=0.01) as gateway:
        answers = [(await gateway.request("GET", "/doctors", {"x-forwarded-for": f"203.0.113.{n}"})).status for n in range(4)]
        assert answers == [200, 200, 200, 429]
        assert {request.header("x-forwarded-for") for request in gateway[Service.DOCTOR].requests} == {"127.0.0.1"}


async def test_behind_a_trusted_proxy_each_client_has_its_own_limit_and_the_services_get_its_address() -> None:
    async with running_gateway(rate_scale=0.01, trusted_proxies="127.0.0.0/8") as gateway:
        for client in ("203.0.113.1", "2001:db8::1"):
            forwarded = {"x-forwarded-for": f"198.51.100.77, {client}"}
            assert await statuses(gateway, 4, "GET", "/doctors", forwarded) == [200, 200, 200, 429]
        assert await statuses(gateway, 1, "GET", "/doctors", {"x-forwarded-for": "2001:db8::2"}) == [429], "the same /64"
        received = [[value for name, value in request.headers if name == "x-forwarded-for"] for request in gateway[Service.DOCTOR].requests]
        assert received == [["203.0.113.1"]] * 3 + [["2001:db8::1"]] * 3


async def test_a_refused_request_with_a_body_leaves_the_connection_usable() -> None:
    async with running_gateway(rate_scale=0.05) as gateway:
        client = await gateway.connect()
        for expected in (200, 429, 429):
            await client.send_request("POST /auth/login HTTP/1.1", {"host": "x", "content-length": "20000"}, b"x" * 20_000)
            assert (await client.read_response()).status == expected
        await client.send_request("GET /doctors HTTP/1.1", {"host": "x"})
        assert (await client.read_response()).status == 200


async def test_the_scale_widens_the_limits() -> None:
    async with running_gateway(rate_scale=20) as gateway:
        assert quotas(await gateway.request("POST", "/auth/login", LOGIN, b"{}")) == {
            "address": {"q": 6000, "w": 60, "r": 5999, "t": 60},
            "sign-in": {"q": 400, "w": 60, "r": 399, "t": 60},
        }


async def test_two_gateways_share_their_limits_in_redis(redis_url: str) -> None:
    shared: dict[str, Any] = {"rate_scale": 0.1, "rate_store_url": redis_url, "trusted_proxies": "127.0.0.1"}
    client = {"x-forwarded-for": f"2001:db8:{random.randrange(65536):x}:{random.randrange(65536):x}::1"}
    async with running_gateway(**shared) as first, running_gateway(**shared) as second:
        answers = [await gateway.request("GET", "/doctors", client) for _ in range(16) for gateway in (first, second)]
        assert [answer.status for answer in answers] == [200] * 30 + [429] * 2
        assert [quotas(answer)["address"]["r"] for answer in answers[:3]] == [29, 28, 27]


async def test_gateways_go_on_without_their_shared_store() -> None:
    async with running_gateway(rate_scale=0.1, rate_store_url=unused_url().replace("http", "redis")) as gateway:
        assert await statuses(gateway, 31, "GET", "/doctors") == [200] * 30 + [429]
        assert gateway.app.state.registry.get_sample_value("rate_store_fallbacks_total") == 31


async def test_a_store_that_does_not_answer_delays_only_a_few_requests() -> None:
    attempts = 0

    async def read_and_answer_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal attempts
        attempts += 1
        await reader.read()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(read_and_answer_nothing, "127.0.0.1", 0) as store:
        url = f"redis://127.0.0.1:{store.sockets[0].getsockname()[1]}"
        async with running_gateway(rate_store_url=url) as gateway:
            assert await statuses(gateway, 100, "GET", "/doctors") == [200] * 100
    assert 0 < attempts < 50, "each request that waited for the store had a connection of its own"
