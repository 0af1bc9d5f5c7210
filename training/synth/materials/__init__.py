"""Materials as node graphs: one module per substance, built with training.synth.nodes."""
