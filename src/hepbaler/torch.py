"""Batches of archives and ROOT files for training networks of one's own; see `hepbaler.access.torch`."""

from __future__ import annotations

from .access.torch import ColumnScaling, EventBatches, RootBatches, ScalingPlan

__all__ = ("ColumnScaling", "EventBatches", "RootBatches", "ScalingPlan")


def __dir__() -> tuple[str, ...]:
    return __all__
