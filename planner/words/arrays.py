"""The types of numeric arrays: 64-bit floats and whole numbers. The docstrings of their users give the shape."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
