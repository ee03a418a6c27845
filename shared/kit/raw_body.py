"""A body that is not JSON, such as a file: a parameter of a route."""

from __future__ import annotations

from shared.kit.problems import UnsupportedMediaType
from shared.kit.requests import RequestDependency, ServiceRequest


class RawBody(RequestDependency):
    """A dependency that returns the body of a request as it was sent: up to `max_bytes` of the media type `media_type`.

    The route reads the body before the other steps, as it reads JSON. The charset parameter of the media type is left to the reader.
    """

    def __init__(self, media_type: str, max_bytes: int) -> None:
        self.media_type, self.max_bytes = media_type, max_bytes

    def check_media_type(self, content_type: str) -> None:
        """Raise UnsupportedMediaType for a body of another media type."""
        if content_type.partition(";")[0].strip().lower() != self.media_type:
            raise UnsupportedMediaType(f"This operation takes `{self.media_type}`.")

    def resolve(self, request: ServiceRequest) -> bytes:
        body: bytes = request._body
        return body
