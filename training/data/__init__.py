"""Manifests and what is done to them: check, split, box, cut out. Run ``python -m training.data --help``.

Others may import :class:`Box`, :class:`Record`, :func:`read_manifest` and :func:`write_manifest` from here; each
command is a module of its own, named after it.
"""

from training.data.manifest import Box, Record, read_manifest, write_manifest

__all__ = ["Box", "Record", "read_manifest", "write_manifest"]
