"""Copy-paste pictures: cut-outs of products and of look-alikes on everyday photos, with boxes.

Others may import :func:`compose`, :func:`pile`, :class:`Recipe`, :class:`Cutout`, :class:`CutoutBank`,
:func:`check_bank` and :class:`BackgroundBank`.
``python -m training.composer --help`` builds the banks and shows samples. Everything pasted goes through the same
steps, whatever its label, so that pasting is never a cue.
"""

from training.composer.backgrounds import BackgroundBank
from training.composer.cutouts import Cutout, CutoutBank, check_bank
from training.composer.piles import pile
from training.composer.scene import Recipe, compose

__all__ = ["BackgroundBank", "Cutout", "CutoutBank", "Recipe", "check_bank", "compose", "pile"]
