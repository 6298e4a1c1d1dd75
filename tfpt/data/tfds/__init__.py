"""Data sets of TensorFlow Datasets: ``tfds:NAME`` as ``--data`` takes it. Nothing is downloaded."""
