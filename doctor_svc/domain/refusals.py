"""Why doctor-service refuses."""

from __future__ import annotations

from shared.contracts.refusals import Forbidden, Invalid, NoSuch


class NoSuchService(NoSuch):
    """There is no such service."""


class NoSuchDoctor(NoSuch):
    """There is no such doctor."""


class NoSuchOverride(NoSuch):
    """This date follows the weekly hours."""


class UnknownService(Invalid):
    """There is no such service to offer."""


class WindowsOverlap(Invalid):
    """Two of the windows overlap."""


class RangeReversed(Invalid):
    """`from` must lie before `to`."""


class RangeTooLong(Invalid):
    """The range is at most 62 days long."""


class TooManyOverrides(Invalid):
    """A schedule has at most 1,000 overrides."""


class NotYoursToChange(Forbidden):
    """Doctors change their own profile; services, specialties, zone and standing are the clinic's."""
