"""Endpoints rooms/{room}/messages/, rooms/{room}/messages/{message}/ and rooms/{room}/log/."""

from typing import Annotated, Any, Final
from uuid import UUID

from django.urls import path
from drf_spectacular.utils import OpenApiParameter, extend_schema
from msgspec import Meta
from rest_framework.request import Request
from rest_framework.response import Response

from api.documents import answers, answers_of, parameters_of
from api.endpoint import Endpoint, body_of, query_of
from foundation.errors import Invalid
from foundation.schema import Struct
from messaging.selectors.log import list_log
from messaging.selectors.messages import get_message, list_messages
from messaging.services.send import send_message
from messaging.wire.actions import History, PageLimit, Send, Seq
from messaging.wire.limits import Limits
from messaging.wire.shapes import LogPage, Message

_KEY: Final[dict[str, Any]] = {"type": "string", "maxLength": Limits().max_client_id_chars + 2}  # two for the quotes


class MessagesView(Endpoint):
    takes_query = ("GET",)

    @extend_schema(
        operation_id="list_messages", parameters=parameters_of(query_of(History)), responses=answers_of(History)
    )
    def get(self, request: Request, room: UUID) -> Response:
        """List messages of a room, oldest first: the latest, or those before, after or around an id."""
        return Response(list_messages(user_id=self.user_id, history=self.requested(History, room=room)))

    @extend_schema(
        operation_id="send_message",
        request=body_of(Send),
        parameters=[
            OpenApiParameter(
                "Idempotency-Key", _KEY, OpenApiParameter.HEADER, description="The `client_id`, quoted or not"
            )
        ],
        responses=answers_of(Send),
    )
    def post(self, request: Request, room: UUID) -> Response:
        """Send a message. If you send it again with the same `client_id`, you get the first answer again."""
        send = self.requested(Send, room=room)
        key = request.headers.get("Idempotency-Key")
        if key is not None:
            key = key.strip().removeprefix('"').removesuffix('"')
            if send.client_id not in (None, key):
                raise Invalid("Differs from the header `Idempotency-Key`.", field="client_id")
            send = self.requested(Send, room=room, override={"client_id": key})
        return Response(send_message(send, sender=self.principal), status=Send.contract.status)


class LogQuery(Struct, frozen=True):
    """The query of a page of a room's log."""

    after: Annotated[Seq, Meta(description="Only events with a higher seq")] = 0
    limit: PageLimit = 50


class LogView(Endpoint):
    takes_query = ("GET",)

    @extend_schema(operation_id="list_log", parameters=parameters_of(LogQuery), responses=answers(LogPage))
    def get(self, request: Request, room: UUID) -> Response:
        """List the events in the log of a room, oldest first, as the socket sends them."""
        query = self.query(LogQuery)
        page = list_log(user_id=self.user_id, room_id=room, after=query.after, limit=query.limit)
        return Response(page)


class MessageView(Endpoint):
    @extend_schema(operation_id="get_message", responses=answers(Message))
    def get(self, request: Request, room: UUID, message: int) -> Response:
        """Get a message."""
        return Response(get_message(user_id=self.user_id, room_id=room, message_id=message))


urlpatterns = [
    path("rooms/<id:room>/log/", LogView.as_view()),
    path("rooms/<id:room>/messages/", MessagesView.as_view()),
    path("rooms/<id:room>/messages/<int:message>/", MessageView.as_view()),
]
