"""Endpoints rooms/, rooms/public/ and rooms/{room}/, with its join/, leave/ and read/."""

from typing import Annotated
from uuid import UUID

from django.urls import path
from drf_spectacular.utils import extend_schema
from msgspec import Meta
from rest_framework.request import Request
from rest_framework.response import Response

from api.documents import answers, answers_of, parameters_of
from api.endpoint import Endpoint, Keyset, body_of
from messaging.selectors.my_rooms import list_my_rooms
from messaging.wire.actions import Read
from messaging.wire.shapes import MyRoomPage
from rooms import selectors, services
from rooms.schema import Joined, NewRoom, Room, RoomPage, RoomPatch


class PublicQuery(Keyset, frozen=True):
    """The query of a page of public rooms."""

    search: Annotated[str, Meta(max_length=100, description="A part of the name, in upper or lower case")] = ""


class RoomsView(Endpoint):
    takes_query = ("GET",)

    @extend_schema(operation_id="list_rooms", parameters=parameters_of(Keyset), responses=answers(MyRoomPage))
    def get(self, request: Request) -> Response:
        """List the rooms of which you are a member, oldest first, with your unread count and the latest message."""
        query = self.query(Keyset)
        return Response(list_my_rooms(user_id=self.user_id, before=query.before, after=query.after, limit=query.limit))

    @extend_schema(operation_id="create_room", request=NewRoom, responses=answers(Room, status=201))
    def post(self, request: Request) -> Response:
        """Create a room. You become its owner."""
        joined = services.create_room(user_id=self.user_id, new=self.body(NewRoom))
        return Response(joined.room, status=201, headers={"Location": f"/api/v1/rooms/{joined.room.id}/"})


class PublicRoomsView(Endpoint):
    takes_query = ("GET",)

    @extend_schema(operation_id="list_public_rooms", parameters=parameters_of(PublicQuery), responses=answers(RoomPage))
    def get(self, request: Request) -> Response:
        """List public rooms that are not archived, oldest first. With `search`, only those whose name contains it."""
        query = self.query(PublicQuery)
        return Response(
            selectors.list_public_rooms(search=query.search, before=query.before, after=query.after, limit=query.limit)
        )


class RoomView(Endpoint):
    @extend_schema(operation_id="get_room", responses=answers(Room))
    def get(self, request: Request, room: UUID) -> Response:
        """Get a room of which you are a member."""
        return Response(selectors.get_room(user_id=self.user_id, room_id=room))

    @extend_schema(operation_id="update_room", request=RoomPatch, responses=answers(Room))
    def patch(self, request: Request, room: UUID) -> Response:
        """Change the settings of a room, archive it or unarchive it."""
        return Response(services.update_room(user_id=self.user_id, room_id=room, patch=self.body(RoomPatch)))


class JoinView(Endpoint):
    takes_body = ()

    @extend_schema(operation_id="join_room", request=None, responses=answers(Joined))
    def post(self, request: Request, room: UUID) -> Response:
        """Become a member of a public room. If you already are one, nothing changes."""
        return Response(services.join_room(user_id=self.user_id, room_id=room))


class LeaveView(Endpoint):
    takes_body = ()

    @extend_schema(operation_id="leave_room", request=None, responses=answers(None, status=204))
    def post(self, request: Request, room: UUID) -> Response:
        """End your membership of a room."""
        services.leave_room(user_id=self.user_id, room_id=room)
        return Response(status=204)


class ReadView(Endpoint):
    @extend_schema(operation_id="read_messages", request=body_of(Read), responses=answers_of(Read))
    def put(self, request: Request, room: UUID) -> Response:
        """Move your read cursor forward; with `unread`, also back."""
        read = self.requested(Read, room=room)
        return Response(
            services.read_messages(user_id=self.user_id, room_id=room, message_id=read.id, unread=read.unread)
        )


urlpatterns = [
    path("rooms/", RoomsView.as_view()),
    path("rooms/public/", PublicRoomsView.as_view()),
    path("rooms/<id:room>/", RoomView.as_view()),
    path("rooms/<id:room>/join/", JoinView.as_view()),
    path("rooms/<id:room>/leave/", LeaveView.as_view()),
    path("rooms/<id:room>/read/", ReadView.as_view()),
]
