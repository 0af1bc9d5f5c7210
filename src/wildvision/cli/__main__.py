"""``python -m wildvision.cli``, for when the ``wildvision`` script is not on the path."""

import sys

from wildvision.cli import main

sys.exit(main())
