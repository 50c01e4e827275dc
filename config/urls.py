"""The root URL configuration."""

from django.urls import include, path, re_path

from api.documents import UNSERVED
from api.problems import not_found

urlpatterns = [
    re_path(UNSERVED.pattern, not_found),
    path("_allauth/app/v1/", include("accounts.urls")),
    path("_allauth/", include("allauth.headless.urls")),
    path("", include("api.urls")),
]
handler400 = "api.problems.bad_request"
handler404 = "api.problems.not_found"
handler500 = "api.problems.server_error"
