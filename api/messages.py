"""rooms/{room}/messages/ and rooms/{room}/messages/{id}/"""

from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec
from django.conf import settings
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from api.documents import answers, parameters_of
from api.endpoint import Endpoint, check_page
from foundation.errors import DomainError, Invalid
from foundation.schema import CustomData
from messaging.selectors.log import list_log
from messaging.selectors.messages import get_message, list_messages
from messaging.services.send import send_message
from messaging.wire.actions import ClientId, History, MessageId, PageLimit, Send, Seq, Text
from messaging.wire.checks import check_limits, invalid
from messaging.wire.limits import Limits
from messaging.wire.shapes import LogPage, Message, MessagePage, Sent

T = TypeVar("T", History, Send)

# A `client_id`, between quotes or not.
_KEY: Final[dict[str, Any]] = {"type": "string", "maxLength": Limits().max_client_id_chars + 2}


class HistoryQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Ids of messages: the page before, after or around one; none for the latest."""

    before: MessageId | None = None
    after: Seq | None = None
    around: MessageId | None = None
    limit: PageLimit = 50


class SendBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message, in `text` or `data`. `Idempotency-Key` may stand in for `client_id`."""

    text: Text
    client_id: ClientId | None = None
    reply_to: MessageId | None = None
    data: CustomData = msgspec.field(default_factory=dict)


class MessagesView(Endpoint):
    takes_query = ("GET",)

    @extend_schema(operation_id="list_messages", parameters=parameters_of(HistoryQuery), responses=answers(MessagePage))
    def get(self, request: Request, room: UUID) -> Response:
        """A page of messages, oldest first."""
        history = _action_of(History, room, self.query(HistoryQuery))
        return Response(list_messages(user_id=self.user_id, history=history))

    @extend_schema(
        operation_id="send_message",
        request=SendBody,
        parameters=[OpenApiParameter("Idempotency-Key", _KEY, OpenApiParameter.HEADER)],
        responses=answers(Sent, status=201),
    )
    def post(self, request: Request, room: UUID) -> Response:
        """Send a message. A retry with the same `client_id` gets the first answer again."""
        body = self.body(SendBody)
        key = request.headers.get("Idempotency-Key")
        if key is not None:
            key = key.strip().removeprefix('"').removesuffix('"')
            if body.client_id not in (None, key):
                raise Invalid("Differs from `Idempotency-Key`.", field="client_id")
        send = _action_of(Send, room, body, client_id=body.client_id if key is None else key)
        verdict = send_message(send, sender=self.principal)
        if isinstance(verdict, DomainError):
            raise verdict
        return Response(verdict, status=201)


class LogQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The entries that follow a seq."""

    after: Seq = 0
    limit: PageLimit = 50


class LogView(Endpoint):
    takes_query = ("GET",)

    @extend_schema(operation_id="list_log", parameters=parameters_of(LogQuery), responses=answers(LogPage))
    def get(self, request: Request, room: UUID) -> Response:
        """A page of the room's events, oldest first, as the socket brings them."""
        query = self.query(LogQuery)
        check_page(None, None, query.limit)
        page = list_log(user_id=self.user_id, room_id=room, after=query.after, limit=query.limit)
        return Response(page)


class MessageView(Endpoint):
    @extend_schema(operation_id="get_message", responses=answers(Message))
    def get(self, request: Request, room: UUID, message: int) -> Response:
        """One message."""
        return Response(get_message(user_id=self.user_id, room_id=room, message_id=message))


def _action_of(kind: type[T], room: UUID, source: msgspec.Struct, **more: object) -> T:
    """The socket's action that a request stands for, with the socket's checks. Raises `Invalid`, `TooLarge`."""
    try:
        action = msgspec.convert({**msgspec.structs.asdict(source), **more, "room": room}, type=kind)
    except msgspec.ValidationError as error:
        raise invalid(error) from None
    check_limits(action, settings.ROOMLOG_LIMITS)
    return action
