"""Imports of doctors and patients over HTTP."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Query, Request, Response

from admin_svc.domain.import_files import MAX_FILE_BYTES
from admin_svc.domain.import_refusals import (
    ColumnMissing,
    ColumnRepeated,
    ColumnUnknown,
    CsvMalformed,
    FileEmpty,
    NoSuchImport,
    TextUnreadable,
    TooManyImports,
    TooManyRows,
)
from admin_svc.domain.imports import ImportKind, ImportProgress, RowStatus
from admin_svc.schemas.imports import ImportOut, ImportOutcomeOut, ImportRowStatus
from admin_svc.usecases.imports import Imports
from shared.kit import routes
from shared.kit.access import Admin
from shared.kit.idempotency import OperationId
from shared.kit.paging import BadCursor, Page, Paged
from shared.kit.problems import refusals
from shared.kit.raw_body import RawBody
from shared.kit.response_headers import with_next_link
from shared.kit.use_cases import use_case

router = routes.service_router(prefix="/admin", tags=["Administration"])
UseImports = Annotated[Imports, use_case(Imports)]
CsvFile = Annotated[bytes, Depends(RawBody("text/csv", MAX_FILE_BYTES))]
DryRun = Annotated[bool, Query(description="Only check the rows: nobody is created.")]
FILE_REFUSALS = refusals(TextUnreadable, FileEmpty, CsvMalformed, ColumnUnknown, ColumnRepeated, ColumnMissing, TooManyRows, TooManyImports)


def csv_body(example: str) -> dict[str, Any]:
    """Return what the OpenAPI document says about a file as the body."""
    content = {"text/csv": {"schema": {"type": "string"}, "example": example}}
    return {"requestBody": {"required": True, "content": content}}


@router.post(
    "/doctors/import",
    operation_id="import_doctors",
    response_model=ImportOut,
    status_code=202,
    responses=FILE_REFUSALS,
    summary="Import doctors from a CSV file",
    openapi_extra=csv_body("email,full_name,specialties\nada@clinic.example,Ada Brandt,Cardiology|Sport\n"),
)
async def import_doctors(
    content: CsvFile, caller: Admin, operation: OperationId, imports: UseImports, response: Response, dry_run: DryRun = False
) -> ImportOut:
    """Columns are the fields of `POST /doctors`; each new doctor gets an account and an invitation. `Location` says what
    becomes of the rows.

    Lists are split by `|`. The file is UTF-8 or Windows-1252, and its separator a comma or a semicolon: both are recognised. It has 10,000
    rows and 8 MiB at most. A row that is refused stops no other one. Who a row is about is known by the email address: importing the same
    file again creates nobody twice.
    """
    return _accepted(response, await imports.upload(operation.id, ImportKind.DOCTORS, content, caller, dry_run=dry_run))


@router.post(
    "/patients/import",
    operation_id="import_patients",
    response_model=ImportOut,
    status_code=202,
    responses=FILE_REFUSALS,
    summary="Import patients from a CSV file",
    openapi_extra=csv_body("full_name;born_on;phone;identifiers\nMina Park;1984-06-02;+49 30 1234567;urn:clinic:file 4711\n"),
)
async def import_patients(
    content: CsvFile, caller: Admin, operation: OperationId, imports: UseImports, response: Response, dry_run: DryRun = False
) -> ImportOut:
    """Columns are the fields of `POST /patients`; the patients have no account. `Location` says what becomes of the rows.

    An identifier is written as its system, a space, and its value; lists are split by `|`. Who a row is about is known by the first
    identifier, or else by name, date of birth, phone number and email address together: importing the same file again creates nobody twice.
    Everything else is as for doctors.
    """
    return _accepted(response, await imports.upload(operation.id, ImportKind.PATIENTS, content, caller, dry_run=dry_run))


@router.get("/imports", operation_id="list_imports", response_model=Page[ImportOut], responses=refusals(BadCursor), summary="List imports")
async def list_imports(_caller: Admin, paging: Paged, imports: UseImports, request: Request, response: Response) -> Page[ImportOut]:
    """The newest first. They are kept for 90 days after their end."""
    rows = await imports.list_imports(paging.limit, paging.after)
    page = paging.page(rows, lambda progress: (progress.imported.created_at.isoformat(), progress.imported.id))
    return with_next_link(request, response, Page(items=[ImportOut.of(progress) for progress in page.items], next=page.next))


@router.get(
    "/imports/{import_id}",
    operation_id="get_import",
    response_model=ImportOutcomeOut,
    responses=refusals(NoSuchImport, BadCursor),
    summary="Get the outcome of an import",
)
async def get_import(
    import_id: UUID,
    _caller: Admin,
    paging: Paged,
    imports: UseImports,
    request: Request,
    response: Response,
    status: Annotated[ImportRowStatus | None, Query(description="Only the rows of which this became.")] = None,
) -> ImportOutcomeOut:
    """How far it is, and what became of each row."""
    found = await imports.list_outcomes(import_id, None if status is None else RowStatus(status), paging.limit, paging.after)
    page = paging.page(found.rows, lambda outcome: (outcome.line,))
    return with_next_link(request, response, ImportOutcomeOut.with_rows(found.progress, page))


def _accepted(response: Response, progress: ImportProgress) -> ImportOut:
    response.headers["Location"] = f"/admin/imports/{progress.imported.id}"
    return ImportOut.of(progress)
