"""Why scheduling-service refuses."""

from __future__ import annotations

from shared.contracts.refusals import Conflict, Invalid, NoSuch


class SlotTaken(Conflict):
    """The time is taken; `alternatives` were free when this was written."""


class PatientBusy(Conflict):
    """The patient has another appointment then; `alternatives` were free when this was written."""


class NotBookable(Invalid):
    """This time cannot be booked; `reasons` say why."""


class ReservationReleased(Conflict):
    """The reservation was released after this was asked for."""


class UnknownService(Invalid):
    """There is no such service."""


class UnknownDoctor(Invalid):
    """There is no such doctor."""


class RangeReversed(Invalid):
    """`from` must be before `to`."""


class RangeTooLong(Invalid):
    """The range is longer than can be answered at once."""


class NoSuchDoctor(NoSuch):
    """There is no such doctor."""


class NoSuchReservation(NoSuch):
    """There is no such reservation, or it is not yours."""
