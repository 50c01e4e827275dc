"""Requests to django-allauth, at /_allauth/app/v1/, for tests."""

from tests.api.rest import Answer, Rest

PASSWORD = "correct-horse-9"


def ask(method: str, path: str, body: object = None, token: str = "", **headers: str) -> Answer:
    """Sends a request, with the access token `token` if it is given."""
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return Rest().ask(method, f"/_allauth/app/v1/{path}", body, headers)


def sign_up(username: str = "dora", password: str = PASSWORD, **more: str) -> Answer:
    return ask("POST", "auth/signup", {"username": username, "password": password, **more})


def log_in(username: str = "dora", password: str = PASSWORD) -> Answer:
    return ask("POST", "auth/login", {"username": username, "password": password})


def refresh(token: str) -> Answer:
    return ask("POST", "tokens/refresh", {"refresh_token": token})


def status_of(token: str) -> int:
    """Returns the status with which REST answers an access token."""
    return Rest().get("users/me/", Authorization=f"Bearer {token}").status


def code_of(answer: Answer) -> str:
    """Returns the code of the only error of a refusal by allauth."""
    assert answer.status == 400, answer
    (error,) = answer.body["errors"]
    return str(error["code"])
