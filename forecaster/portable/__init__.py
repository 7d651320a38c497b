"""Runs in the formats of other libraries: ONNX with an example, Keras, SavedModel and LiteRT."""
