"""How the scripts of this folder end: 0, or 2 with one line on standard error for what they refuse."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NoReturn

from wildvision.errors import WildvisionError

REFUSED = 2


def run_script(main: Callable[[], int | None]) -> NoReturn:
    """Run a script and end the process; settings, files and arguments that cannot be used give no traceback."""
    try:
        sys.exit(main() or 0)
    except (WildvisionError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(REFUSED)
