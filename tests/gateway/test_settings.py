"""Scaling touches durations and nothing else."""

from dataclasses import asdict

import pytest

from gateway.settings import GatewaySettings


def test_durations_shrink_together_and_counts_stay() -> None:
    plain, fast = asdict(GatewaySettings()), asdict(GatewaySettings().at_speed(10))
    assert fast["chunk_idle_s"] == 1.0
    for name, value in plain.items():
        assert fast[name] == (value / 10 if name.endswith("_s") else value)


@pytest.mark.parametrize("speed", [0, -1, float("nan")])
def test_speed_must_be_positive(speed: float) -> None:
    with pytest.raises(ValueError, match="speed must be above 0"):
        GatewaySettings().at_speed(speed)
