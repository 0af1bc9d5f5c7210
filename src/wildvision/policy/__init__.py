"""From raw model scores to decisions: calibration, operating points, triage and roll-up.

Everyday use needs :func:`decide`, :class:`OperatingPoint`, :func:`calibrator_from_json` and :func:`roll_up`. Fitting
lives in :mod:`~wildvision.policy.fitting` and :mod:`~wildvision.policy.operating_points`. Needs numpy, knows no model.
"""

from wildvision.policy.calibration import Calibrator, Isotonic, Platt, Temperature, calibrator_from_json
from wildvision.policy.rollup import Certainty, Finding, roll_up
from wildvision.policy.targets import Flags, Precision, Recall, Target, parse_target, ppv
from wildvision.policy.triage import NEVER, OperatingPoint, decide, deciding_group

__all__ = [
    "NEVER",
    "Calibrator",
    "Certainty",
    "Finding",
    "Flags",
    "Isotonic",
    "OperatingPoint",
    "Platt",
    "Precision",
    "Recall",
    "Target",
    "Temperature",
    "calibrator_from_json",
    "decide",
    "deciding_group",
    "parse_target",
    "ppv",
    "roll_up",
]
