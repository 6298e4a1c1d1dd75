"""Typed configuration: frozen dataclasses, and a strict way to fill them. Imports no TensorFlow."""
