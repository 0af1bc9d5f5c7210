"""The command line of the data engine: ``python -m training.data COMMAND --help``."""

from training.data.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
