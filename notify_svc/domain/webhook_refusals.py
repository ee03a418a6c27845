"""Why a request about webhooks is refused."""

from __future__ import annotations

from shared.contracts.refusals import Conflict, Invalid, NotFound


class NoSuchWebhook(NotFound):
    """Raised for an id without a webhook."""

    code = "no_such_webhook"
    detail = "There is no such webhook."
    remedy = "List the webhooks for the ids that exist."


class NoSuchWebhookDelivery(NotFound):
    """Raised for an id without a delivery, or of a delivery that was deleted after its retention time."""

    code = "no_such_delivery"
    detail = "There is no such delivery of this webhook."
    remedy = "List the deliveries of the webhook; they are deleted after 30 days."


class TooManyWebhooks(Conflict):
    """Raised when the largest number of webhooks exists."""

    code = "too_many_webhooks"
    detail = "There are as many webhooks as are allowed."
    remedy = "Delete a webhook that is not used any more."


class WebhookEnded(Conflict):
    """Raised when a webhook that its receiver has ended is changed or used."""

    code = "webhook_ended"
    detail = "The receiver has ended this webhook with status 410."
    remedy = "Delete the webhook and create a new one."


class WebhookPaused(Conflict):
    """Raised when a ping is requested of a paused webhook."""

    code = "webhook_paused"
    detail = "This webhook is paused."
    remedy = "Resume it with `PATCH /webhooks/{id}` and the status `active`."


class TooManyRotations(Conflict):
    """Raised when a webhook has as many replaced secrets that are still valid as it may have."""

    code = "too_many_rotations"
    detail = "The secret of this webhook has been replaced five times within 24 hours."
    remedy = "Use the current secret, or wait until a day has passed since the first of these rotations."


class AddressNotAllowed(Invalid):
    """Raised when webhooks may not be sent to an address. The detail says why."""

    code = "address_not_allowed"
    detail = "Webhooks are not sent to this address."
    remedy = "Use an https URL of a host with public addresses only, without user name, fragment and unusual port."
    example_pointers = ("/url",)
