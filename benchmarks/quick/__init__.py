"""A guard against slowing down: ratios to bare ONNX Runtime now, beside those that are committed."""
