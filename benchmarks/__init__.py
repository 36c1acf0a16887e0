"""How fast the service is, beside the ONNX Runtime it wraps: `make bench`."""
