"""The refusals of templates that an admin wants to use."""

from __future__ import annotations

from shared.contracts.refusals import Invalid, NotFound


class NoSuchTemplate(NotFound):
    """Raised when there is no such kind of template, or it is not shipped in the language."""

    code = "no_such_template"
    detail = "There is no template of this kind in this language."
    remedy = "`GET /admin/templates` lists all kinds and languages."


class TemplateSyntaxInvalid(Invalid):
    """Raised when a template cannot be read, or contains more than variables and conditions."""

    code = "template_syntax"
    detail = "A template has text, variables in double braces, and conditions with `if` and `endif`; nothing else."
    remedy = "Correct the line that `detail` names. Compare with the shipped text: `DELETE` brings it back."
    example_pointers = ("/text",)


class TemplateVariableUnknown(Invalid):
    """Raised when a template has a variable that mails of its kind do not have."""

    code = "template_variable_unknown"
    detail = "The template has a variable that this kind of mail does not have."
    remedy = "Use the variables that `detail` lists. Links and details of several lines belong into the text, not into the subject."
    example_pointers = ("/text",)


class TemplateVariableMissing(Invalid):
    """Raised when a mail would lack what its recipient must know, such as the time and the doctor of a visit."""

    code = "template_variable_missing"
    detail = "The text lacks a variable that every mail of this kind must have."
    remedy = "Add the variables that `detail` names, outside of all conditions; `{{ details }}` contains those of a visit."
    example_pointers = ("/text",)


class TemplateTooLong(Invalid):
    """Raised when a mail with the longest names would be too long, or its subject empty."""

    code = "template_too_long"
    detail = "With the longest names the mail would be too long."
    remedy = "Shorten the text, or use long variables such as `{{ details }}` once."
    example_pointers = ("/text",)
