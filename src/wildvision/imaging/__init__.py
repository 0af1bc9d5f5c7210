"""Photos in, upright RGB arrays out: decoding with typed failures, hashes and the resize in front of a model.

Never imports torch. Normalisation (mean, standard deviation) is not done here but on the model's device.
"""

from wildvision.imaging.decoding import Source, decode
from wildvision.imaging.preprocessing import Preparer, Preprocess, preprocess
from wildvision.imaging.types import DEFAULT_LIMITS, Decoded, Limits, Prepared

__all__ = [
    "DEFAULT_LIMITS",
    "Decoded",
    "Limits",
    "Prepared",
    "Preparer",
    "Preprocess",
    "Source",
    "decode",
    "preprocess",
]
