"""Finished models as ONNX graphs."""
