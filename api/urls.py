"""The addresses under /api/v1/, the documents and the pages that show them."""

from django.urls import include, path
from django.views.generic import RedirectView

from api import console, documents, health, members, messages, rooms, users

v1 = [
    path("users/", users.UsersView.as_view()),
    path("users/me/", users.MeView.as_view()),
    path("users/<uuid:user>/", users.UserView.as_view()),
    path("rooms/", rooms.RoomsView.as_view()),
    path("rooms/public/", rooms.PublicRoomsView.as_view()),
    path("rooms/<uuid:room>/", rooms.RoomView.as_view()),
    path("rooms/<uuid:room>/join/", rooms.JoinView.as_view()),
    path("rooms/<uuid:room>/leave/", rooms.LeaveView.as_view()),
    path("rooms/<uuid:room>/read/", rooms.ReadView.as_view()),
    path("rooms/<uuid:room>/members/", members.MembersView.as_view()),
    path("rooms/<uuid:room>/members/<uuid:user>/", members.MemberView.as_view()),
    path("rooms/<uuid:room>/log/", messages.LogView.as_view()),
    path("rooms/<uuid:room>/messages/", messages.MessagesView.as_view()),
    path("rooms/<uuid:room>/messages/<int:message>/", messages.MessageView.as_view()),
]
urlpatterns = [
    path("", RedirectView.as_view(url="/docs/")),
    path("api/v1/", include(v1)),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("openapi.yaml", documents.serve, {"name": "openapi.yaml"}),
    path("asyncapi.yaml", documents.serve, {"name": "asyncapi.yaml"}),
    path("docs/", console.show_console),
    path("docs/rest/", console.show_rest),
    path("docs/socket/", console.show_socket),
]
