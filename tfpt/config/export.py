"""What an export may be: formats, kinds of numbers, and the names that servers know. Imports nothing."""

SAVED_MODEL = "saved_model"
FORMATS = (SAVED_MODEL, "onnx", "litert")
QUANTIZATIONS = ("none", "float16", "int8")
SERVING = "serving_default"
"""The signature that a server uses if a request names none."""
MODEL_NAME = "model"
"""What TensorFlow Serving calls a model that is given no name; docker/models.config says so too."""
