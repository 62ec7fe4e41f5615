"""What stands between a protected environment and its end: the cluster, the filled bucket, the secrets."""

from __future__ import annotations

import pytest

from tests.infra import locks
from tests.infra.conftest import Run


@pytest.mark.parametrize(("protected", "kept"), [("true", True), ("false", False)])
def test_what_is_protected_is_given_up_once_it_is_open(
    run: Run, monkeypatch: pytest.MonkeyPatch, protected: str, kept: bool
) -> None:
    monkeypatch.setattr("infra.inputs._not_committed", lambda path: ())
    monkeypatch.setattr("infra.inputs._unreviewed", lambda folder, name: ())
    plan = locks.on_platform(locks.plan(cluster=locks.SUPPLIED), image_mirror="ecr")
    registered = run(plan, protected=protected, **locks.IMAGES)
    assert registered.one("eks/cluster:Cluster").inputs["deletionProtection"] is kept
    assert registered.one("s3/bucket:Bucket").inputs["forceDestroy"] is not kept
    windows = {secret.inputs["recoveryWindowInDays"] for secret in registered.of("secretsmanager/secret:Secret")}
    assert windows == {30 if kept else 0}
