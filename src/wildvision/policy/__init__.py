"""From raw model scores to decisions: calibration, operating points, triage and roll-up.

The door is :func:`decide` and :class:`OperatingPoint`; fitting lives in :mod:`~wildvision.policy.calibration` and
:mod:`~wildvision.policy.operating_points`. Needs numpy only and knows no model.
"""

from wildvision.policy.triage import NEVER, OperatingPoint, decide

__all__ = ["NEVER", "OperatingPoint", "decide"]
