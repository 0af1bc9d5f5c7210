"""Plots of an evaluation as SVG text to put into a page. Needs matplotlib (extra ``evaluate``); decides no number."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from wildvision.errors import MissingExtraError
from wildvision.evaluation.results import GroupNumbers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_INK, _SOFT, _LINE = "#1b2a33", "#9aa7b0", "#0b6e8f"


def check_plots() -> None:
    """Make sure that plots can be drawn.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    _figure(1, 1)


def group_plot(numbers: GroupNumbers) -> str:
    """Reliability diagram, ROC with a logarithmic false-positive axis, and precision-recall, side by side."""
    figure = _figure(11.5, 3.4)
    left, middle, right = figure.subplots(1, 3)
    figure.subplots_adjust(left=0.05, right=0.99, top=0.9, bottom=0.15, wspace=0.22)

    bins = numbers.reliability
    left.plot([0, 1], [0, 1], color=_SOFT, lw=1, ls="--")
    sizes = [12 + 10 * np.log10(b["n"]) for b in bins]
    left.plot([b["confidence"] for b in bins], [b["frequency"] for b in bins], color=_LINE, lw=1)
    left.scatter([b["confidence"] for b in bins], [b["frequency"] for b in bins], s=sizes, color=_LINE, zorder=3)
    _frame(left, f"reliability at prevalence {next(iter(numbers.ece_at))}", "mean probability", "share of positives")

    curve = numbers.curve
    floor = 0.5 / max(numbers.n_negatives, 1)
    middle.step(np.maximum(curve["fpr"], floor), curve["recall"], where="post", color=_LINE, lw=1.6)
    for rate in (0.001, 0.01):
        middle.axvline(rate, color=_SOFT, lw=1, ls=":")
    middle.set_xscale("log")
    _frame(middle, "ROC", "false-positive rate", "recall", start=floor)

    right.plot(curve["recall"], curve["precision"], color=_LINE, lw=1.6)
    _frame(right, "precision and recall (prevalence of the test set)", "recall", "precision")
    return _svg(figure)


def precision_recall_plot(curves: Mapping[str, Mapping[str, list[float]]]) -> str:
    """One panel a name, each with the curve's ``recall`` and ``precision``."""
    figure = _figure(2.9 * max(len(curves), 1), 2.9)
    figure.subplots_adjust(left=0.06, right=0.99, top=0.88, bottom=0.18, wspace=0.3)
    for n, (name, curve) in enumerate(curves.items(), start=1):
        axes = figure.add_subplot(1, len(curves), n)
        axes.plot(curve["recall"], curve["precision"], color=_LINE, lw=1.6)
        _frame(axes, name, "recall", "precision")
    return _svg(figure)


def confusion_plot(confusion: Mapping[str, Any]) -> str:
    """Shares of each labelled leaf by likeliest leaf, as a heat map; leaves without photos are left out of the rows."""
    leaves, counts = confusion["leaves"], np.asarray(confusion["counts"])
    rows = counts.sum(axis=1) > 0
    shares = counts[rows] / counts[rows].sum(axis=1, keepdims=True)
    names = [f"{leaf} ({n})" for leaf, n, kept in zip(leaves, counts.sum(axis=1), rows, strict=True) if kept]
    figure = _figure(10.5, 1.9 + 0.32 * len(names))
    axes = figure.subplots()
    figure.subplots_adjust(left=0.2, right=0.99, top=0.98, bottom=1.5 / figure.get_figheight())
    axes.pcolormesh(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xlim(0, len(leaves))
    axes.set_ylim(len(names), 0)
    for i, j in zip(*np.nonzero(shares >= 0.005), strict=True):
        ink = "white" if shares[i, j] > 0.55 else _INK
        axes.text(j + 0.5, i + 0.55, f"{100 * shares[i, j]:.0f}", ha="center", va="center", fontsize=7, color=ink)
    axes.set_xticks(np.arange(len(leaves)) + 0.5, leaves, rotation=45, ha="right", fontsize=8)
    axes.set_yticks(np.arange(len(names)) + 0.5, names, fontsize=8)
    axes.set_xlabel("likeliest leaf, % of the row", fontsize=8)
    return _svg(figure)


def _figure(width: float, height: float) -> Figure:
    try:
        from matplotlib.figure import Figure
    except ImportError as e:
        raise MissingExtraError("matplotlib", "evaluate") from e
    return Figure(figsize=(width, height))


def _frame(axes: Any, title: str, x: str, y: str, *, start: float = 0.0) -> None:
    axes.set(xlim=(start, 1), ylim=(0, 1.02), xlabel=x, ylabel=y)
    axes.set_title(title, fontsize=9, color=_INK)
    axes.tick_params(labelsize=8)
    axes.xaxis.label.set_size(8)
    axes.yaxis.label.set_size(8)
    axes.spines[["top", "right"]].set_visible(False)


def _svg(figure: Figure) -> str:
    import matplotlib

    out = io.StringIO()
    # A fixed salt and no date: the same numbers give the same file.
    with matplotlib.rc_context({"svg.hashsalt": "wildvision"}):
        figure.savefig(out, format="svg", metadata={"Date": None})
    text = out.getvalue()
    return text[text.index("<svg") :]
