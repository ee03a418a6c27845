"""Templates of mails over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Request, Response

from notify_svc.domain.template_refusals import (
    NoSuchTemplate,
    TemplateSyntaxInvalid,
    TemplateTooLong,
    TemplateVariableMissing,
    TemplateVariableUnknown,
)
from notify_svc.domain.templates import TemplatePreview
from notify_svc.schemas.templates import PreviewTemplate, ReplaceTemplate, TemplateOut, TemplatePreviewOut
from notify_svc.usecases.templates import Templates
from shared.contracts.refusals import PreconditionRequired, Stale
from shared.kit import routes
from shared.kit.access import Admin
from shared.kit.paging import Page, Paged
from shared.kit.preconditions import IfMatch, RequireIfMatch
from shared.kit.problems import refusals
from shared.kit.response_headers import with_etag, with_next_link
from shared.kit.use_cases import use_case

router = routes.service_router(prefix="/admin/templates", tags=["Administration"])
UseTemplates = Annotated[Templates, use_case(Templates)]
Kind = Annotated[str, Path(max_length=40, description="The name of the template, as in the list.", examples=["booked"])]
TemplateLanguage = Annotated[str, Path(max_length=35, description="The language (BCP 47), as in the list.", examples=["en"])]
UNUSABLE = (TemplateSyntaxInvalid, TemplateVariableUnknown, TemplateVariableMissing, TemplateTooLong)


@router.get("", operation_id="list_templates", response_model=Page[TemplateOut], summary="List the templates of mails")
async def list_templates(_caller: Admin, paging: Paged, templates: UseTemplates, request: Request, response: Response) -> Page[TemplateOut]:
    """Every kind in every language, by kind and language: the overridden text, or else the shipped one."""
    rows = [TemplateOut.of(template) for template in await templates.list_templates(paging.limit, paging.after)]
    return with_next_link(request, response, paging.page(rows, lambda template: (template.kind, template.locale)))


@router.get(
    "/{kind}/{locale}",
    operation_id="get_template",
    response_model=TemplateOut,
    responses=refusals(NoSuchTemplate),
    summary="Get a template of mails",
)
async def get_template(kind: Kind, locale: TemplateLanguage, _caller: Admin, templates: UseTemplates, response: Response) -> TemplateOut:
    """The overridden text, or else the shipped one. Both have an ETag."""
    return with_etag(response, TemplateOut.of(await templates.get(kind, locale)))


@router.put(
    "/{kind}/{locale}",
    operation_id="replace_template",
    response_model=TemplateOut,
    responses=refusals(NoSuchTemplate, Stale, PreconditionRequired, *UNUSABLE),
    summary="Override a template of mails",
)
async def replace_template(
    kind: Kind,
    locale: TemplateLanguage,
    body: ReplaceTemplate,
    caller: Admin,
    expected_version: RequireIfMatch,
    templates: UseTemplates,
    response: Response,
) -> TemplateOut:
    """Mails that are sent from then on have the new text, on every instance within two seconds.

    A text is refused if a mail could not be made from it: because of its syntax, of a variable that is unknown or missing, or because it
    would be too long with the longest names."""
    return with_etag(response, TemplateOut.of(await templates.replace(kind, locale, body.to_mail_text(), expected_version, by=caller)))


@router.delete(
    "/{kind}/{locale}",
    operation_id="reset_template",
    response_model=TemplateOut,
    responses=refusals(NoSuchTemplate, Stale),
    summary="Use the shipped template again",
)
async def reset_template(
    kind: Kind, locale: TemplateLanguage, caller: Admin, expected_version: IfMatch, templates: UseTemplates, response: Response
) -> TemplateOut:
    """The response is the shipped template. Nothing changes if it was not overridden."""
    return with_etag(response, TemplateOut.of(await templates.reset(kind, locale, expected_version, by=caller)))


@router.post(
    "/{kind}/{locale}/preview",
    operation_id="preview_template",
    response_model=TemplatePreviewOut,
    responses=refusals(NoSuchTemplate, *UNUSABLE),
    summary="Preview a template of mails",
)
async def preview_template(
    kind: Kind, locale: TemplateLanguage, body: PreviewTemplate, _caller: Admin, templates: UseTemplates
) -> TemplatePreview:
    """A mail with example data, from the subject and text of the body, or else from those in force. Nothing is stored or sent."""
    return await templates.preview(kind, locale, body.subject, body.text)
