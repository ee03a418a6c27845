"""Why doctor-service refuses."""

from __future__ import annotations

from shared.contracts.refusals import Conflict, Forbidden, Invalid, ResourceNotFound


class NoSuchService(ResourceNotFound):
    """There is no such service."""


class NoSuchDoctor(ResourceNotFound):
    """There is no such doctor."""


class NoSuchOverride(ResourceNotFound):
    """This date follows the weekly hours."""


class UnknownService(Invalid):
    """There is no such service to offer."""


class WindowsOverlap(Invalid):
    """This window and an earlier one share time."""


class ValidityReversed(Invalid):
    """`valid_from` must not lie after `valid_to`."""


class RangeReversed(Invalid):
    """`from` must lie before `to`."""


class RangeTooLong(Invalid):
    """The range is at most 62 days long."""


class TooManyOverrides(Invalid):
    """A schedule has at most 1,000 overrides."""


class AccountDismissed(Conflict):
    """The doctor's account is disabled or has another role: change the account, and the doctor is active again."""


class NotYoursToChange(Forbidden):
    """Doctors change their own profile; services, specialties, zone and standing are the clinic's."""
