"""Why doctor-service refuses."""

from __future__ import annotations

from shared.contracts.refusals import Conflict, Forbidden, Invalid, NotFound


class NoSuchService(NotFound):
    """There is no such service."""

    code = "no_such_service"
    detail = "There is no such service."


class NoSuchDoctor(NotFound):
    """There is no such doctor."""

    code = "no_such_doctor"
    detail = "There is no such doctor."


class NoSuchOverride(NotFound):
    """This date follows the weekly hours."""

    code = "no_such_override"
    detail = "This date follows the weekly hours."


class UnknownService(Invalid):
    """There is no such service to offer."""

    code = "unknown_service"
    detail = "There is no such service to offer."


class WindowsOverlap(Invalid):
    """This window and an earlier one share time."""

    code = "windows_overlap"
    detail = "This window and an earlier one share time."


class ValidityReversed(Invalid):
    """`valid_from` must not lie after `valid_to`."""

    code = "validity_reversed"
    detail = "`valid_from` must not lie after `valid_to`."


class RangeReversed(Invalid):
    """`from` must lie before `to`."""

    code = "range_reversed"
    detail = "`from` must lie before `to`."


class RangeTooLong(Invalid):
    """The range is at most 62 days long."""

    code = "range_too_long"
    detail = "The range is at most 62 days long."


class TooManyOverrides(Invalid):
    """A schedule has at most 1,000 overrides."""

    code = "too_many_overrides"
    detail = "A schedule has at most 1,000 overrides."


class AccountDismissed(Conflict):
    """The doctor's account is disabled or has another role: change the account, and the doctor is active again."""

    code = "account_dismissed"
    detail = "The doctor's account is disabled or has another role: change the account, and the doctor is active again."


class NotYoursToChange(Forbidden):
    """Doctors change their own profile; services, specialties, zone and standing are the clinic's."""

    code = "not_yours_to_change"
    detail = "Doctors change their own profile; services, specialties, zone and standing are the clinic's."
