"""Batches of ROOT branches for training networks of one's own; see `hepbaler.access.torch`."""

from __future__ import annotations

from .access.torch import ColumnScaling, RootBatches, ScalingPlan

__all__ = ("ColumnScaling", "RootBatches", "ScalingPlan")


def __dir__() -> tuple[str, ...]:
    return __all__
