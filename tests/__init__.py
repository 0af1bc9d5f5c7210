"""Tests mirror ``src/``; helpers are imported as ``tests.<part>.<module>``."""
