"""Numbers for the demo: drawn by key, and shared out by weight, alike on every machine."""

from __future__ import annotations

from collections.abc import Sequence


def noise(*keys: int) -> float:
    """A number in [0, 1) that looks random and depends on the keys alone (SplitMix64's mixer).

    Drawing by key, not from a stream, lets one thing change without moving all that follow.
    """
    state = 0
    for key in keys:
        state = (state + key + 0x9E3779B97F4A7C15) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        state ^= state >> 31
    return (state >> 11) / (1 << 53)


def shares(total: int, weights: Sequence[float], least: int, most: Sequence[int]) -> list[int]:
    """`total` shared out by weight (D'Hondt's way), each share from `least` to its `most`."""
    shared = [least] * len(weights)
    for _ in range(total - sum(shared)):
        hungry = [index for index, share in enumerate(shared) if share < most[index]]
        shared[max(hungry, key=lambda index: weights[index] / (shared[index] + 1))] += 1
    return shared


_MASK = (1 << 64) - 1
