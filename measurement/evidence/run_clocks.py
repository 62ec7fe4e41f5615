"""The step clock of the engine that each run was made with, and how long its requests take to enter it.

A clock of the fit is that of vLLM's engine and server with CUDA graphs. A run differs from it in three ways:

- The steps of another engine, or of an old release, are a factor longer, and its server has a speed of its own.
- A server that sends several tokens together has so much less to do, and an engine that is called as a library has no
  server at all.
- Without CUDA graphs, each layer of a step takes longer to launch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from measurement.evidence.deployed_runs import DeployedRun
from planner.performance.coefficients import Coefficients, EngineCoefficients
from planner.performance.roofline import IdealTable
from planner.performance.step_time import ClockTable
from planner.words.arrays import Floats


def engine_of(deployed: DeployedRun, coefficients: Coefficients) -> EngineCoefficients:
    """The coefficients of the run's engine and its age."""
    return _engine(deployed.run.engine_key, coefficients)


def _engine(key: str, coefficients: Coefficients) -> EngineCoefficients:
    """The coefficients of an engine, by its key, or those of vLLM where the fit has none for it."""
    return coefficients.engines.get(key) or coefficients.engines["vllm"]


class RunClocks:
    """The clocks of many runs as arrays of shape (runs,), for any coefficients."""

    def __init__(self, runs: Sequence[DeployedRun]) -> None:
        self._ideals = IdealTable([each.ideal for each in runs])
        self._keys, self._key_of_run = np.unique([each.run.engine_key for each in runs], return_inverse=True)
        self._messages = np.array([0.0 if each.run.offline else 1.0 / each.run.stream_interval for each in runs])
        self._eager_layers = np.array([each.ideal.layers * each.run.eager for each in runs], dtype=np.float64)

    def only(self, kept: NDArray[np.bool_]) -> RunClocks:
        """The clocks of the runs for which `kept` is true."""
        part = copy(self)
        part._ideals, part._key_of_run = self._ideals.only(kept), self._key_of_run[kept]
        part._messages, part._eager_layers = self._messages[kept], self._eager_layers[kept]
        return part

    def clocks(self, coefficients: Coefficients) -> ClockTable:
        """The step clock of each run."""
        table = self._ideals.clocks(coefficients)
        eager = coefficients.eager_ms_per_layer * self._eager_layers
        table = replace(table, overhead_ms=table.overhead_ms + eager)
        table = table.slower_by(self._each(coefficients, lambda engine: engine.step_factor))
        server = self._each(coefficients, lambda engine: engine.server_ms_per_token)
        return replace(table, server_ms_per_sequence=server * self._messages)

    def entry_ms(self, coefficients: Coefficients, others: Floats) -> Floats:
        """The time of a request of each run before its first step, ms. others: other requests in flight."""
        alone = self._each(coefficients, lambda engine: engine.entry_ms)
        return alone + self._each(coefficients, lambda engine: engine.entry_ms_per_request) * others

    def _each(self, coefficients: Coefficients, number: Callable[[EngineCoefficients], float]) -> Floats:
        """A number of the engine of each run."""
        by_key: Floats = np.array([number(_engine(str(key), coefficients)) for key in self._keys])
        return by_key[self._key_of_run]
