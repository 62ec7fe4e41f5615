"""The lengths of the requests that a replica serves, on few enough points to be screened thousands of times.

A mix is a weighted set of (input tokens, output tokens). What a steady state needs of it are some exact joint means,
the inputs (a prompt's work, TTFT) and the outputs (how long a request decodes, TPOT), so each side is kept on 16
points of its own. Cells carry equal shares of requests and tokens, half and half, so that neither the many short nor
the few long ones are averaged away. Where a mix comes from is `domain.workload`'s matter.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.words.arrays import Floats

POINTS = 16


@dataclass(frozen=True, slots=True)
class Lengths:
    """One mix. Points have shape (n,) and weights that sum to 1; D = O − 1 are the decode steps of a request."""

    inputs: Floats
    input_weights: Floats
    decode_steps: Floats
    """D of the requests with two output tokens or more: the harmonic mean in each cell, since 1/D scales a delay."""
    decode_weights: Floats
    decode_inputs: Floats
    """Mean input tokens of the requests in each output cell."""
    mean_input: float
    mean_output: float
    mean_decode_steps: float
    mean_context: float
    """Context of a sequence at a random decode step: E[D·(S + O/2)]/E[D]."""
    mean_residence: float
    """Tokens of a sequence when it is longest, weighted by how long it stays: E[O·(S + O)]/E[O]."""


def lengths_of(points: Iterable[tuple[float, float, float]], most: int = POINTS) -> Lengths:
    """(input tokens, output tokens, weight) triples, each side on at most `most` points.

    Raises ValueError when there is no weight, or a length or a weight is negative.
    """
    rows = np.array(list(points), dtype=np.float64).reshape(-1, 3)
    if not rows.size or rows.min() < 0.0 or rows[:, 2].sum() <= 0.0:
        raise ValueError("a mix needs at least one (input, output, weight) point, and none of them negative")
    inputs, outputs, weights = rows[:, 0], rows[:, 1], rows[:, 2] / rows[:, 2].sum()
    steps = np.maximum(outputs - 1.0, 0.0)
    mean_steps = float(weights @ steps)
    mean_input, stay = float(weights @ inputs), np.maximum(outputs, 1.0)
    context = float(weights @ (steps * (inputs + outputs / 2.0))) / mean_steps if mean_steps else mean_input
    cells = _cells(inputs, weights, most)
    decoding = steps > 0.0
    if not decoding.any():
        decoding = np.ones_like(decoding)
    decode_cells = [np.flatnonzero(decoding)[cell] for cell in _cells(outputs[decoding], weights[decoding], most)]
    decode_weights = np.array([weights[cell].sum() for cell in decode_cells])
    inverse = 1.0 / np.maximum(steps, 1.0)
    return Lengths(
        np.array([_mean(inputs, weights, cell) for cell in cells]),
        np.array([weights[cell].sum() for cell in cells]),
        np.array([1.0 / _mean(inverse, weights, cell) for cell in decode_cells]),
        decode_weights / decode_weights.sum(),
        np.array([_mean(inputs, weights, cell) for cell in decode_cells]),
        mean_input,
        float(weights @ outputs),
        mean_steps,
        context,
        float(weights @ (stay * (inputs + outputs))) / float(weights @ stay),
    )


def _cells(tokens: Floats, weights: Floats, most: int) -> list[NDArray[np.intp]]:
    """Indices of neighbours in `tokens`, cut where weight and weight × tokens, half and half, reach equal shares."""
    order = np.argsort(tokens, kind="stable")
    carried = weights * tokens
    mass = weights / weights.sum() + (carried / carried.sum() if carried.sum() > 0.0 else 0.0)
    middle = np.cumsum(mass[order]) - mass[order] / 2.0
    cell = np.minimum((middle / mass.sum() * most).astype(int), most - 1)
    return [order[cell == k] for k in range(most) if np.any((cell == k) & (weights[order] > 0.0))]


def _mean(values: Floats, weights: Floats, cell: NDArray[np.intp]) -> float:
    return float(values[cell] @ weights[cell] / weights[cell].sum())
