"""The refusals of doctor-service. Those that other services pass on are in `shared.contracts.relayed_refusals`."""

from __future__ import annotations

from shared.contracts.refusals import Conflict, Forbidden, Invalid, NotFound


class NoSuchOverride(NotFound):
    """Raised when a date has no override to delete."""

    code = "no_such_override"
    detail = "This date has no override; it follows the weekly hours."


class WindowsOverlap(Invalid):
    """Raised when two windows share a minute. The fact `pointer` names the later one."""

    code = "windows_overlap"
    detail = "This window overlaps with an earlier one."
    example_pointers = ("/weekly/1", "/windows/1")


class EmptyWindow(Invalid):
    """Raised when a window ends at its start. The fact `pointer` names its end."""

    code = "empty_window"
    detail = "The window ends when it starts. A whole day is `00:00` to `24:00`; a day off is an override without windows."
    example_pointers = ("/weekly/0/end", "/windows/0/end")


class ValidityReversed(Invalid):
    """Raised when `valid_from` of a weekly window lies after `valid_to`."""

    code = "validity_reversed"
    detail = "`valid_from` must not lie after `valid_to`."
    example_pointers = ("/weekly/0/valid_from",)


class TooManyOverrides(Invalid):
    """Raised when a schedule would have more than 1,000 overrides. The fact `pointer` names the date."""

    code = "too_many_overrides"
    detail = "A schedule has at most 1,000 overrides."
    example_pointers = ("/date",)


class DoctorAccountInactive(Conflict):
    """Raised when an admin activates a doctor whose account is disabled or has another role."""

    code = "account_dismissed"
    detail = "The doctor's account is disabled or has another role. Activate the account; the doctor becomes active with it."
    remedy = "Activate the doctor's account with `PATCH /admin/users/{id}`."


class NotADoctorsAccount(Conflict):
    """Raised when a doctor's profile is requested for an account that has another role."""

    code = "not_a_doctors_account"
    detail = "The account with this id has another role."


class NotYoursToChange(Forbidden):
    """Raised when a doctor changes a field of their profile that only admins may change."""

    code = "not_yours_to_change"
    detail = "Doctors may change only title, bio, languages, location and accepting_patients."
