"""What python skin is confused with: other reptiles, ostrich, ray and fish; plain, embossed and printed leather
and cloth.
"""

from __future__ import annotations

import random
from functools import partial

from training.synth.leaves import BuildContext, Builder, Built
from training.synth.leaves.wardrobe import GOODS, PELTS, make
from training.synth.materials.leathers import ANIMALS, animal_print, embossed, other_reptile, plain

_FORMS = {**GOODS, **PELTS}


def other_reptile_leather(rng: random.Random, context: BuildContext) -> Built:
    """Goods and skins of crocodile, lizard, ostrich, stingray, fish and snakes that are no pythons."""
    maker = partial(other_reptile, animal=rng.choice(ANIMALS), holdout=context.holdout)
    return make(rng, context, maker, _FORMS)


def plain_leather(rng: random.Random, context: BuildContext) -> Built:
    """Goods and hides of cattle leather, smooth, embossed or printed, and of animal-print cloth."""
    kind = rng.choices([plain, embossed, animal_print], weights=[3, 5, 2])[0]
    return make(rng, context, partial(kind, holdout=context.holdout), _FORMS)


BUILDERS: dict[str, Builder] = {"other_reptile_leather": other_reptile_leather, "plain_leather": plain_leather}
