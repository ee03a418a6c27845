"""What Schemathesis loads for a run: how the caller signs in, a stricter reading of the document, and one check of our own."""

from __future__ import annotations

import os
from typing import Any
from uuid import uuid4

import httpx
import schemathesis
from schemathesis import AuthContext, Case, CheckContext, HookContext, Response

EXAMPLE_KEY = "4be1d3b9-6f6e-4a53-9a0c-0c8a2cb7d0c4"
# The schema of a request cannot say these rules: which values exist, how two fields relate, or what a cursor contains.
SEMANTIC_CODES = frozenset(
    {
        "bad_code",
        "bad_cursor",
        "dry_run_required",
        "duplicate_item",
        "expires_in_the_past",
        "address_not_allowed",
        "already_over",
        "field_not_for_kind",
        "bad_search",
        "born_later",
        "csv_malformed",
        "duplicate_column",
        "file_empty",
        "logo_unreadable",
        "missing_column",
        "text_unreadable",
        "unknown_column",
        "idempotency_key_reused",
        "ids_not_unique",
        "ids_or_filter",
        "int_type",  # 30.0 is an integer to JSON Schema, and is refused here
        "invalid_grant",
        "invalid_request",  # which fields of /auth/token a grant needs
        "no_such_guardian",
        "no_such_target",
        "not_a_doctor",
        "not_bookable",
        "nothing_changes",
        "nothing_to_override",
        "onset_before_birth",
        "onset_in_the_future",
        "out_of_range",
        "password_too_weak",
        "patient_required",
        "range_reversed",
        "range_too_long",
        "same_patient",
        "target_mismatch",
        "target_required",
        "template_syntax",
        "template_too_long",
        "template_variable_missing",
        "template_variable_unknown",
        "text_mismatch",
        "token_invalid",
        "unknown_doctor",
        "unknown_service",
        "unknown_time_zone",
        "windows_overlap",
    }
)


@schemathesis.hook  # type: ignore[untyped-decorator]
def before_load_schema(context: HookContext, raw_schema: dict[str, Any]) -> None:
    """Remove the `default` responses, so that a status which an operation does not list by itself is reported."""
    for path in raw_schema["paths"].values():
        for operation in path.values():
            if isinstance(operation, dict):
                operation.get("responses", {}).pop("default", None)


@schemathesis.hook  # type: ignore[untyped-decorator]
def before_call(context: HookContext, case: Case, kwargs: dict[str, Any]) -> None:
    """Give each request a key of its own instead of the documented example, so that none gets the response to an earlier, valid request."""
    if case.headers.get("Idempotency-Key") == EXAMPLE_KEY:
        case.headers["Idempotency-Key"] = str(uuid4())


@schemathesis.check  # type: ignore[untyped-decorator]
def valid_request_acceptance(ctx: CheckContext, response: Response, case: Case) -> None:
    """A request that the schema allows is refused with 400 or 422 only by a rule that a schema cannot say."""
    if case.meta is None or not case.meta.generation.mode.is_positive or response.status_code not in (400, 422):
        return
    body = response.json()
    codes = {error["code"] for error in body.get("errors", [])} or {body.get("code", body.get("error"))}
    assert codes <= SEMANTIC_CODES, f"A valid request was refused: {sorted(codes - SEMANTIC_CODES)}"


if "FUZZ_EMAIL" in os.environ:

    @schemathesis.auth()
    class AccountToken:
        """The access token of the account in FUZZ_EMAIL and FUZZ_PASSWORD, at the platform in FUZZ_URL. Renewed when an answer is 401."""

        def get(self, case: Case, context: AuthContext) -> str:
            """Return a new access token. Raises httpx.HTTPStatusError if the account cannot sign in."""
            credentials = {"email": os.environ["FUZZ_EMAIL"], "password": os.environ["FUZZ_PASSWORD"]}
            response = httpx.post(f"{os.environ['FUZZ_URL']}/auth/login", json=credentials, timeout=30).raise_for_status()
            return str(response.json()["access_token"])

        def set(self, case: Case, data: str, context: AuthContext) -> None:
            """Add the token to the request of `case`."""
            case.headers["Authorization"] = f"Bearer {data}"
