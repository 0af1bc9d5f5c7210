"""Measuring a classifier on labelled photos: metrics with intervals, robustness, explanations, reports, card metrics.

The way through: ``scores`` (a table of labels and logits, written by training or by ``running``), ``judging`` (a policy
applied to it), ``measure`` (the numbers), ``report`` and ``card_metrics`` (where they go). Trains no network.
"""
