"""What uvicorn logs when a service cannot start."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from fastapi import FastAPI
from uvicorn.lifespan.on import LifespanOn

from shared.kit.app import create_service_app
from shared.kit.overrides import Overrides
from shared.kit.settings import InvalidSettings
from tests.unit.kit.shop import ShopSettings

FAULT = "SHOP_KEY: `1` is not the key that had this name before"


async def start_with(error: BaseException) -> None:
    """Start a service whose wiring raises an error, as uvicorn does."""

    @asynccontextmanager
    async def wire(_app: FastAPI, _settings: ShopSettings, _overrides: Overrides) -> AsyncIterator[None]:
        raise error
        yield

    app = create_service_app(ShopSettings(), Overrides(), wire)
    lifespan = LifespanOn(uvicorn.Config(app, log_config=None))
    await lifespan.startup()
    assert lifespan.should_exit


async def test_wrong_settings_that_are_found_at_the_start_are_logged_without_a_traceback(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "uvicorn.error"):
        await start_with(InvalidSettings(FAULT))
    assert [record.getMessage() for record in caplog.records] == [FAULT, "Application startup failed. Exiting."]


async def test_any_other_error_at_the_start_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "uvicorn.error"):
        await start_with(ValueError("no"))
    assert "Traceback" in caplog.records[0].getMessage()
