"""The error codes, as the contract lists them."""

import pytest

import messaging.errors
import rooms.errors
from foundation.errors import DomainError, Invalid, NotFound, Overloaded
from messaging.append.decide import Busy

# Every code of the contract. Those of features that are not built yet are reserved: no class has them.
STATUSES = {
    "invalid": 400,
    "unknown_action": 400,
    "unauthenticated": 401,
    "forbidden": 403,
    "not_a_member": 403,
    "banned": 403,
    "muted": 403,
    "blocked": 403,
    "archived": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "not_acceptable": 406,
    "request_timeout": 408,
    "conflict": 409,
    "client_id_reused": 409,
    "last_owner": 409,
    "edit_conflict": 409,
    "limit_reached": 409,
    "too_large": 413,
    "unsupported_media_type": 415,
    "rate_limited": 429,
    "slow_mode": 429,
    "internal": 500,
    "overloaded": 503,
    "unavailable": 503,
}
KINDS = sorted(DomainError.registry.values(), key=lambda kind: kind.code)


def test_it_works() -> None:
    error = NotFound("There is no such room.", field="room", retry_after=2)

    assert (error.code, error.status) == ("not_found", 404)
    assert (error.detail, error.field, error.retry_after) == ("There is no such room.", "room", 2)
    assert str(error) == "There is no such room."


def test_its_detail_is_its_summary_by_default() -> None:
    assert Invalid().detail == str(Invalid()) == Invalid.summary


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.code)
def test_it_has_the_status_of_the_contract(kind: type[DomainError]) -> None:
    assert kind.status == STATUSES[kind.code]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.code)
def test_its_summary_is_a_sentence(kind: type[DomainError]) -> None:
    assert kind.summary.endswith(".")
    assert kind.summary[0].isupper()


def test_it_marks_retryable_errors() -> None:
    retryable = {"rate_limited", "slow_mode", "request_timeout", "overloaded", "unavailable"}
    assert {kind.code for kind in KINDS if kind.retryable} <= retryable
    assert {"rate_limited", "overloaded", "unavailable"} <= {kind.code for kind in KINDS if kind.retryable}


def test_it_registers_the_errors_of_every_app() -> None:
    assert DomainError.registry["last_owner"] is rooms.errors.LastOwner
    assert DomainError.registry["client_id_reused"] is messaging.errors.ClientIdReused


def test_a_special_case_keeps_its_parents_code() -> None:
    assert Busy.code == "overloaded"
    assert DomainError.registry["overloaded"] is Overloaded


def test_it_refuses_a_code_that_is_taken() -> None:
    with pytest.raises(TypeError, match="share the code 'invalid'"):
        type("Impostor", (DomainError,), {"code": "invalid", "status": 400})
    assert DomainError.registry["invalid"] is Invalid
