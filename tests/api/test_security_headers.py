"""Headers of every answer that protect browsers."""

import pytest
from django.test import Client
from pytest_django import Settings

pytestmark = pytest.mark.django_db

PATHS = ("/docs/", "/docs/rest/", "/healthz", "/openapi.yaml", "/api/v1/users/me/", "/_allauth/app/v1/auth/session",
         "/nowhere", "/static/docs/console.js")  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_it_works(path: str) -> None:
    answer = Client().get(path, secure=True)
    answer.getvalue()  # closes files

    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


def test_a_page_forbids_frames_by_its_policy_too() -> None:
    assert "frame-ancestors 'none'" in Client().get("/docs/").headers["Content-Security-Policy"]


def test_it_asks_for_tls_over_tls_only() -> None:
    assert "Strict-Transport-Security" not in Client().get("/healthz").headers


def test_it_knows_tls_by_the_header_of_a_trusted_proxy(settings: Settings) -> None:
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

    https, http = (Client().get("/healthz", headers={"X-Forwarded-Proto": scheme}) for scheme in ("https", "http"))

    assert "Strict-Transport-Security" in https.headers
    assert "Strict-Transport-Security" not in http.headers
