"""The lengths of the requests that a replica serves, on few enough points to be screened thousands of times.

A mix is a weighted set of (input tokens, output tokens). A steady state needs three things of it: some exact joint
means, the inputs (they decide the work of a prompt and TTFT), and the outputs (they decide how long a request decodes,
and TPOT). So the inputs and the outputs are each kept on 16 points of their own. Each point stands for a cell of
neighbouring lengths. The cells carry equal shares of requests and of tokens, half and half, so that neither the many
short requests nor the few long ones are averaged away. Where a mix comes from is the matter of `domain.workload`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.words.arrays import Floats

POINTS = 16
"""Most points on which the inputs are kept, and the outputs likewise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """One mix. S and O are the input and output tokens of a request, and D = O − 1 are its decode steps.

    inputs: input tokens at each point, shape (n,).
    input_weights: share of the requests at each of these points; the shares sum to 1.
    decode_steps: D at each point of the requests with two output tokens or more, shape (m,). It is the harmonic mean of
    the cell, because a delay is divided by D.
    decode_weights: share of those requests at each of these points; the shares sum to 1.
    decode_inputs: mean input tokens of the requests in the same cell, shape (m,).
    cached: tokens of the inputs at each point that need not be computed (`prefix`), shape (n,).
    decode_cached: the same of `decode_inputs`, shape (m,).
    mean_input: E[S], tokens.
    mean_output: E[O], tokens.
    mean_decode_steps: E[D], steps.
    mean_context: tokens that a sequence holds at a random decode step, E[D·(S + O/2)]/E[D].
    mean_residence: tokens that a sequence holds when it is longest, weighted by how long it stays, E[O·(S + O)]/E[O].
    """

    inputs: Floats
    input_weights: Floats
    decode_steps: Floats
    decode_weights: Floats
    decode_inputs: Floats
    cached: Floats
    decode_cached: Floats
    mean_input: float
    mean_output: float
    mean_decode_steps: float
    mean_context: float
    mean_residence: float


def lengths_of(points: Iterable[tuple[float, float, float]]) -> Lengths:
    """Return the lengths of a mix that is given as (input tokens, output tokens, weight) triples.

    Raises ValueError when the weights sum to zero, or when a length or a weight is negative.
    """
    rows = np.array(list(points), dtype=np.float64).reshape(-1, 3)
    if not rows.size or rows.min() < 0.0 or rows[:, 2].sum() <= 0.0:
        raise ValueError("a mix needs at least one (input, output, weight) point, and none of them negative")
    inputs, outputs, weights = rows[:, 0], rows[:, 1], rows[:, 2] / rows[:, 2].sum()
    steps = np.maximum(outputs - 1.0, 0.0)
    mean_steps = float(weights @ steps)
    mean_input, stay = float(weights @ inputs), np.maximum(outputs, 1.0)
    context = float(weights @ (steps * (inputs + outputs / 2.0))) / mean_steps if mean_steps else mean_input
    cells = _cells(inputs, weights)
    decoding = steps > 0.0
    if not decoding.any():
        decoding = np.ones_like(decoding)
    decode_cells = [np.flatnonzero(decoding)[cell] for cell in _cells(outputs[decoding], weights[decoding])]
    decode_weights = np.array([weights[cell].sum() for cell in decode_cells])
    inverse = 1.0 / np.maximum(steps, 1.0)
    return Lengths(
        inputs=np.array([_mean(inputs, weights, cell) for cell in cells]),
        input_weights=np.array([weights[cell].sum() for cell in cells]),
        decode_steps=np.array([1.0 / _mean(inverse, weights, cell) for cell in decode_cells]),
        decode_weights=decode_weights / decode_weights.sum(),
        decode_inputs=np.array([_mean(inputs, weights, cell) for cell in decode_cells]),
        cached=np.zeros(len(cells)),
        decode_cached=np.zeros(len(decode_cells)),
        mean_input=mean_input,
        mean_output=float(weights @ outputs),
        mean_decode_steps=mean_steps,
        mean_context=context,
        mean_residence=float(weights @ (stay * (inputs + outputs))) / float(weights @ stay),
    )


def _cells(tokens: Floats, weights: Floats) -> list[NDArray[np.intp]]:
    """Return the indices of neighbours in `tokens`, cell by cell.

    A cell ends where the sum of its weight and its weight × tokens, half and half, reaches an equal share.
    """
    order = np.argsort(tokens, kind="stable")
    carried = weights * tokens
    mass = weights / weights.sum() + (carried / carried.sum() if carried.sum() > 0.0 else 0.0)
    middle = np.cumsum(mass[order]) - mass[order] / 2.0
    cell = np.minimum((middle / mass.sum() * POINTS).astype(int), POINTS - 1)
    return [order[cell == k] for k in range(POINTS) if np.any((cell == k) & (weights[order] > 0.0))]


def _mean(values: Floats, weights: Floats, cell: NDArray[np.intp]) -> float:
    return float(values[cell] @ weights[cell] / weights[cell].sum())
