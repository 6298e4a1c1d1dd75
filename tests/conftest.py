"""TensorFlow is imported once, quietly, before any test module asks for it."""

from tfpt import runtime

runtime.quiet_tensorflow()
