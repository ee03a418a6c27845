"""The AsyncAPI 3.0 document of the events, built from the event classes. `docs/events.md` is written from it, too."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import models_json_schema

from shared.contracts.events import TOPICS, Event

Json = dict[str, Any]
SCHEMA_REFERENCE = "#/components/schemas/"
EXCHANGE = {"name": "careslot.events", "type": "topic", "durable": True, "autoDelete": False}
ENVELOPE_FIELDS = ("id", "occurred_at")  # the fields of an event that are in the envelope and not in its `data`
DESCRIPTION = (
    "What the services of Careslot announce to each other: CloudEvents 1.0 in JSON on the durable topic exchange `careslot.events` of "
    "RabbitMQ. The routing key is the type of the event. An event may be delivered more than once: recognise a repeated one by `id`, and "
    "ignore one whose `version` is older than what you know. Events carry ids, times, versions and states, and no personal data of "
    "patients. Within a version of a type, fields are only added; ignore those that you do not know."
)


def asyncapi_document(info: Json) -> Json:
    """Return the document. `info` has further members of the AsyncAPI object `info`, such as version and license."""
    topics = dict(sorted(TOPICS.items()))
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Careslot events"} | info | {"description": DESCRIPTION},
        "defaultContentType": "application/cloudevents+json",
        "channels": {event_class.__name__: _channel(topic, event_class) for topic, event_class in topics.items()},
        "operations": {f"send{event_class.__name__}": _operation(event_class) for event_class in topics.values()},
        "components": {
            "messages": {event_class.__name__: _message(topic, event_class) for topic, event_class in topics.items()},
            "schemas": _schemas(list(topics.values())),
        },
    }


def _channel(topic: str, event_class: type[Event]) -> Json:
    name = event_class.__name__
    return {
        "address": topic,
        "messages": {name: {"$ref": f"#/components/messages/{name}"}},
        "bindings": {"amqp": {"is": "routingKey", "exchange": EXCHANGE, "bindingVersion": "0.3.0"}},
    }


def _operation(event_class: type[Event]) -> Json:
    return {"action": "send", "channel": {"$ref": f"#/channels/{event_class.__name__}"}}


def _message(topic: str, event_class: type[Event]) -> Json:
    return {
        "name": topic,
        "title": event_class.__name__,
        "summary": " ".join((event_class.__doc__ or "").split()),
        "contentType": "application/cloudevents+json",
        "payload": _envelope(topic, event_class),
    }


def _envelope(topic: str, event_class: type[Event]) -> Json:
    """Return the schema of a CloudEvents envelope (CNCF CloudEvents 1.0.2, JSON format) as `Event.to_cloudevent` makes it."""
    properties = {
        "specversion": {"type": "string", "const": "1.0"},
        "id": {"type": "string", "format": "uuid"},
        "source": {"type": "string", "description": "The service that published the event.", "examples": ["appointment-service"]},
        "type": {"type": "string", "const": topic},
        "subject": {"type": "string", "format": "uuid", "description": f"The `{event_class.subject}` in `data`."},
        "time": {"type": "string", "format": "date-time"},
        "datacontenttype": {"type": "string", "const": "application/json"},
        "traceparent": {"type": "string", "description": "The W3C trace context, if there is one."},
        "data": {"$ref": f"{SCHEMA_REFERENCE}{event_class.__name__}"},
    }
    return {"type": "object", "required": [name for name in properties if name != "traceparent"], "properties": properties}


def _schemas(event_classes: list[type[Event]]) -> Json:
    """Return the schemas of the `data` of all events, and of what they refer to."""
    _, definitions = models_json_schema(
        [(event_class, "serialization") for event_class in event_classes], ref_template=SCHEMA_REFERENCE + "{model}"
    )
    schemas: dict[str, Json] = definitions["$defs"]
    for event_class in event_classes:
        schema = schemas[event_class.__name__]
        for name in ENVELOPE_FIELDS:
            del schema["properties"][name]
        schema["required"] = [name for name in schema["required"] if name not in ENVELOPE_FIELDS]
        schema["description"] = " ".join((event_class.__doc__ or "").split())
    return schemas
