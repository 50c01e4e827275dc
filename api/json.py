"""JSON for Django REST framework: responses are encoded from structs, request bodies are passed on as bytes."""

from collections.abc import Mapping
from typing import IO, Any

import msgspec
from django.conf import settings
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer

from foundation.errors import TooLarge

_encoder = msgspec.json.Encoder()


class JSONRenderer(BaseRenderer):
    """Encodes structs as JSON. None is an empty body."""

    media_type = "application/json"
    format = "json"
    charset = None  # JSON is UTF-8 and has no charset parameter (RFC 8259, section 11)

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        return b"" if data is None else _encoder.encode(data)


class RawJSONParser(BaseParser):
    """Returns the body as bytes, because the endpoint knows the type to decode. Raises `TooLarge`."""

    media_type = "application/json"

    def parse(  # type: ignore[override]
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        limit = settings.ROOMLOG_LIMITS.max_frame_bytes
        body: bytes = stream.read(limit + 1)
        if len(body) > limit:
            raise TooLarge(f"The body is larger than {limit} bytes.")
        return body
