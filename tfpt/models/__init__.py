"""Keras builders and pretrained weights. Nothing here knows of data sets or training."""
