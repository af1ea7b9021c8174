"""One render per key in a process, and those who wait for it (P5)."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from isgware.regeneration.single_flight import Flight, Flights

LONG = 10.0


def anyone(flight: Flight) -> bool:
    return True


def nobody(flight: Flight) -> bool:
    return False


def test_the_first_leads_and_the_others_join() -> None:
    flights = Flights(10)
    flight, leads = flights.join("k", 3, "nonce", anyone)
    assert (leads, flight.key, flight.generation, flight.nonce) == (True, "k", 3, "nonce")
    assert flights.join("k", 4, "nonce", anyone) == (flight, False)


def test_each_key_has_a_flight_of_its_own() -> None:
    flights = Flights(10)
    assert [flights.join(key, 0, "", anyone)[1] for key in ("a", "b", "a")] == [True, True, False]


def test_a_flight_that_may_not_be_joined_is_overtaken() -> None:
    flights = Flights(10)
    old, _ = flights.join("k", 3, "nonce", anyone)
    new, leads = flights.join("k", 4, "nonce", lambda flight: flight.generation >= 4)
    assert leads
    assert new is not old
    assert flights.join("k", 4, "nonce", anyone) == (new, False)


def test_landing_an_overtaken_flight_leaves_the_newer_one() -> None:
    flights = Flights(10)
    old, _ = flights.join("k", 3, "", anyone)
    new, _ = flights.join("k", 4, "", nobody)
    flights.land(old, "old")
    assert "k" in flights
    flights.land(new, "new")
    assert "k" not in flights
    assert (old.outcome, new.outcome) == ("old", "new")


def test_whoever_waits_gets_the_outcome() -> None:
    flights = Flights(10)
    flight, _ = flights.join("k", 0, "", anyone)
    got: list[object] = []
    waiters = [
        threading.Thread(target=lambda: got.append((flights.wait(flight, LONG), flight.outcome)))
        for _ in range(3)
    ]
    for waiter in waiters:
        waiter.start()
    flights.land(flight, "page")
    for waiter in waiters:
        waiter.join(LONG)
    assert got == [(True, "page")] * 3
    assert flights.waiting == 0


@pytest.mark.parametrize("seconds", [0.0, -1.0, 0.001])
def test_who_waits_too_long_is_told_so(seconds: float) -> None:
    flights = Flights(10)
    flight, _ = flights.join("k", 0, "", anyone)
    assert flights.wait(flight, seconds) is False
    assert flights.waiting == 0


def test_a_flight_that_has_landed_is_not_waited_for() -> None:
    flights = Flights(10)
    flight, _ = flights.join("k", 0, "", anyone)
    flights.land(flight, None)
    assert flights.wait(flight, 0.0) is True


@pytest.fixture
def crowded() -> Iterator[tuple[Flights, Flight]]:
    """Flights for which one may wait, and does."""
    flights = Flights(1)
    flight, _ = flights.join("k", 0, "", anyone)
    waiter = threading.Thread(target=flights.wait, args=(flight, LONG))
    waiter.start()
    while not flights.waiting:
        assert waiter.is_alive()
    yield flights, flight
    flights.land(flight, None)
    waiter.join(LONG)


def test_too_many_waiters_do_not_wait(crowded: tuple[Flights, Flight]) -> None:
    flights, flight = crowded
    assert flights.wait(flight, LONG) is False
    assert flights.waiting == 1


def test_the_limit_counts_waiters_of_all_flights(crowded: tuple[Flights, Flight]) -> None:
    flights, _ = crowded
    other, _ = flights.join("other", 0, "", anyone)
    assert flights.wait(other, LONG) is False


def test_one_of_many_threads_leads() -> None:
    flights, start, leads = Flights(100), threading.Barrier(8), []

    def arrive() -> None:
        start.wait(LONG)
        leads.append(flights.join("k", 0, "", anyone)[1])

    threads = [threading.Thread(target=arrive) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert sorted(leads) == [False] * 7 + [True]
