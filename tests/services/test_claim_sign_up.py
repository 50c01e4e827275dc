"""The service `claim_sign_up`."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from ipaddress import ip_address

import pytest
from django.db import connections
from django.db.models import F
from pytest_django import Settings

from accounts.models import SignUp
from accounts.sign_ups import claim_sign_up
from foundation.errors import RateLimited

pytestmark = pytest.mark.django_db

DAY_S = 24 * 3600


@pytest.fixture(autouse=True)
def _bounds(settings: Settings) -> None:
    settings.ROOMLOG_RATE_LIMITS = True
    settings.SIGNUPS_PER_ADDRESS_PER_DAY = 3
    settings.SIGNUPS_PER_DAY = 5


def claim(address: str = "192.0.2.1") -> float:
    """Returns 0.0, or the seconds to wait if the sign-up was refused."""
    try:
        claim_sign_up(ip_address(address))
    except RateLimited as error:
        return float(error.retry_after or -1)
    return 0.0


def pass_time(seconds: float) -> None:
    SignUp.objects.update(at=F("at") - timedelta(seconds=seconds))


def test_it_works() -> None:
    assert [claim() for _ in range(3)] == [0, 0, 0]

    assert claim() == pytest.approx(DAY_S, abs=5)
    assert SignUp.objects.count() == 3


def test_it_refuses_until_the_time_that_it_says() -> None:
    claim()
    pass_time(3600)
    claim()
    claim()

    wait_s = claim()
    assert wait_s == pytest.approx(DAY_S - 3600, abs=5)
    pass_time(wait_s - 5)
    assert claim() > 0
    pass_time(5)
    assert claim() == 0
    assert claim() == pytest.approx(3600, abs=10)


def test_it_counts_each_address_apart() -> None:
    while not claim("192.0.2.1"):
        pass

    assert claim("192.0.2.2") == 0


def test_it_counts_an_ipv6_network_as_one() -> None:
    assert [claim(f"2001:db8::{number}") for number in range(3)] == [0, 0, 0]

    assert claim("2001:db8::ffff:4") > 0
    assert claim("2001:db8:0:1::1") == 0


def test_it_bounds_all_addresses_together() -> None:
    assert [claim(f"192.0.2.{number}") for number in range(5)] == [0] * 5

    assert claim("192.0.2.9") == pytest.approx(DAY_S, abs=5)


def test_it_has_no_bound_in_all_if_none_is_set(settings: Settings) -> None:
    settings.SIGNUPS_PER_DAY = 0

    assert [claim(f"192.0.2.{number}") for number in range(10)] == [0] * 10


def test_it_deletes_what_is_older_than_a_day() -> None:
    claim("192.0.2.7")
    pass_time(DAY_S + 1)
    claim()

    assert [row.network for row in SignUp.objects.all()] == ["192.0.2.1"]


@pytest.mark.django_db(transaction=True)
def test_no_more_are_counted_at_once_than_one_after_the_other() -> None:
    def run(number: int) -> float:
        try:
            return claim(f"192.0.2.{number % 10}")
        finally:
            connections.close_all()

    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(run, range(20))).count(0.0) == 5
