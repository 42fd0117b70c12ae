"""Figures of trainings: the parts of a loss step by step, and what a search of settings found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .style import AFTER, BEFORE, COLOURS, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ("draw_history", "draw_importances", "draw_trials")


def __dir__() -> tuple[str, ...]:
    return __all__


def draw_history(histories: Mapping[str, Mapping[str, Any]], part: str = "error") -> Figure:
    """Validation curves of one or several trainings, and of one training also its parts.

    Parameters
    ----------
    histories
        By name, each as `hepbaler.autoencoders.history.History.to_dict` gives it.
    part
        Part of the loss that several trainings are compared by.
    """
    with styled():
        figure = new_figure(8.0, 5.5)
        axes = figure.subplots()
        if len(histories) == 1:
            (history,) = histories.values()
            steps = [check["step"] for check in history["checks"]]
            for colour, name in zip(COLOURS, history["checks"][0]["validation"], strict=False):
                for where, style in (("training", ":"), ("validation", "-")):
                    values = [check[where][name] for check in history["checks"]]
                    axes.plot(steps, values, style, color=colour, label=name if style == "-" else None)
            axes.axvline(history["best_step"], color="0.7", linewidth=1, zorder=0)
            axes.plot([], [], ":", color="0.3", label="while training")
            positive = all(v > 0 for check in history["checks"] for v in check["validation"].values())
            axes.set_ylabel("parts of the loss")
        else:
            for colour, (name, history) in zip(COLOURS * 2, histories.items(), strict=False):
                steps = [check["step"] for check in history["checks"]]
                axes.plot(steps, [check["validation"][part] for check in history["checks"]], color=colour, label=name)
            positive = True
            axes.set_ylabel(f"{part}, events not trained on")
        if positive:
            axes.set_yscale("log")
        axes.set_xlabel("steps")
        axes.set_xlim(left=0)
        axes.legend(ncols=2)
    return figure


def draw_trials(values: Sequence[float | None], objective: str) -> Figure:
    """Result of each trial of a search, and the best so far.

    Parameters
    ----------
    values
        In the order of the trials; None for one that failed.
    objective
        What they are.
    """
    there = [(i, value) for i, value in enumerate(values) if value is not None]
    best: list[float] = []
    for _, value in there:
        best.append(min(value, best[-1]) if best else value)
    with styled():
        figure = new_figure(8.0, 5.0)
        axes = figure.subplots()
        axes.plot([i for i, _ in there], [v for _, v in there], "o", color=BEFORE, label="trial")
        axes.step([i for i, _ in there], best, where="post", color=AFTER, label="best so far")
        axes.set_xlabel("trial")
        axes.set_ylabel("bits a row" if objective == "bits" else "error, events not trained on")
        if objective != "bits":
            axes.set_yscale("log")
        axes.locator_params(axis="x", integer=True)
        axes.legend()
    return figure


def draw_importances(importances: Mapping[str, float]) -> Figure:
    """How much of the spread of the results each setting explains."""
    order = sorted(importances, key=lambda name: importances[name])
    with styled():
        figure = new_figure(8.0, 1.5 + 0.5 * max(len(order), 1))
        axes = figure.subplots()
        axes.barh([name.replace("_", " ") for name in order], [importances[name] for name in order], color=BEFORE)
        axes.set_xlabel("share of the spread that it explains")
        axes.set_xlim(0, 1)
        axes.tick_params(axis="y", which="both", length=0)
    return figure
