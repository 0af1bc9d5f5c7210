"""What wildvision looks for: groups, leaves, look-alikes, CITES standing, reviewer hints and public notices.

Import :func:`load_taxonomy` and the types from here. Holds no image code and no model code.
"""

from wildvision.taxonomy.load import load_taxonomy, parse_taxonomy
from wildvision.taxonomy.model import EVERYDAY, Cites, CitesStatus, Group, Leaf, Listing, Source, Taxonomy, Text

__all__ = [
    "EVERYDAY",
    "Cites",
    "CitesStatus",
    "Group",
    "Leaf",
    "Listing",
    "Source",
    "Taxonomy",
    "Text",
    "load_taxonomy",
    "parse_taxonomy",
]
