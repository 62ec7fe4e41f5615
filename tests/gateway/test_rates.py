"""The account's minute."""

from gateway.policy import RateLimits
from gateway.rates import ApiLimiter, Bucket


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_fills_evenly_and_not_beyond_its_limit() -> None:
    clock = Clock()
    bucket = Bucket(60, 60, clock)
    bucket.draw(60)
    assert not bucket.holds(1)
    clock.now += 1.5
    assert bucket.holds(1)
    assert not bucket.holds(2)
    clock.now += 10_000
    assert bucket.holds(60)
    bucket.draw(60)
    assert not bucket.holds(1)


def test_more_than_a_window_fits_only_into_a_full_bucket() -> None:
    clock = Clock()
    bucket = Bucket(60, 60, clock)
    assert bucket.holds(1000)
    bucket.draw(1000)
    clock.now += 900
    assert not bucket.holds(1)


def test_both_limits_count_and_a_refusal_takes_nothing() -> None:
    clock = Clock()
    limiter = ApiLimiter(RateLimits(rpm=3, tpm=1000), 60, clock)
    assert limiter.admit(900)
    assert not limiter.admit(200)
    assert limiter.admit(100)
    assert limiter.admit(0)
    assert not limiter.admit(0)  # three requests
    clock.now += 20
    assert limiter.admit(300)
    assert all(ApiLimiter(RateLimits(), 60, clock).admit(10**9) for _ in range(100))


def test_facts_replace_an_assumption() -> None:
    clock = Clock()
    limiter = ApiLimiter(RateLimits(tpm=1000), 60, clock)
    assert limiter.admit(600)
    limiter.settle(600, 100)
    assert limiter.admit(900)
    limiter.settle(900, 1500)  # 600 more than there were
    clock.now += 36
    assert not limiter.admit(1)
    clock.now += 1
    assert limiter.admit(1)
    ApiLimiter(RateLimits(), 60, clock).settle(1, 2)
