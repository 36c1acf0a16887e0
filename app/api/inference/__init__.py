"""The Open Inference Protocol, version 2 (`/v2/…`): the same predictions, for clients made for KServe and Triton.

    body → split (JSON head | tensors) → messages → sequences, or token ids → Predictor → values → reply

The protocol: https://github.com/kserve/open-inference-protocol; its binary tensors: Triton's extension "Binary Tensor
Data". A model reads the tensor `sequences`, or `input_ids` where it reads tokens, and answers the tensor `values`.
"""
