"""The service beside five others and raw ONNX Runtime: the same model, machine, load and moment."""
