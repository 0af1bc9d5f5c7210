"""Renders of products and look-alikes with Blender's Python module (extra ``synth``); pictures are never committed."""
