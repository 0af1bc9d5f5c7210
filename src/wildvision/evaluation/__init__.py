"""Measuring a classifier on labelled photos: metrics with intervals, robustness, explanations, reports, card metrics.

Start with :func:`wildvision.evaluation.measure.measure` on a :class:`wildvision.evaluation.scores.ScoreTable`. Trains
and calibrates nothing.
"""
