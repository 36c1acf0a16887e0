"""What enformer-pytorch answers for a small random model, for `test_enformer.py` to compare with.

It pins a transformers that ours excludes, so it is no part of a test run. In an environment of its own:

    pip install torch==2.13.0 enformer-pytorch==0.8.12
    python tests/training/enformer_oracle.py tests/training/enformer_oracle.npz
"""

from __future__ import annotations

import sys
from pathlib import Path

import enformer_pytorch
import numpy as np
import torch
from enformer_pytorch import Enformer, EnformerConfig

SIZES = {
    "dim": 24,
    "depth": 2,
    "heads": 2,
    "output_heads": {"human": 5, "mouse": 3},
    "target_length": 8,
    "attn_dim_key": 4,
    "dim_divisible_by": 4,
    "num_downsamples": 4,
}
BASES = 256
TABLE_DISTANCES = (0, 1, 10, 48, 100, 500, 1000, 1535)


def main(output: Path) -> None:
    model = Enformer(EnformerConfig(**SIZES)).eval()
    keys = sorted(model.state_dict())
    generator = np.random.default_rng(0)
    weights = {
        key: random_weight(key, tuple(model.state_dict()[key].shape), generator) for key in keys if is_first(key)
    }
    model.load_state_dict({key: torch.from_numpy(value).float() for key, value in weights.items()}, strict=False)
    codes = generator.integers(0, 5, size=(2, BASES))
    bases = np.vstack([np.eye(4), np.zeros(4)])[codes].astype(np.float32)
    with torch.no_grad():
        answers = model(torch.from_numpy(bases))
    table = torch.load(Path(enformer_pytorch.__file__).parent / "precomputed" / "tf_gammas.pt", weights_only=True)
    np.savez_compressed(
        output,
        keys=np.array(keys),
        codes=codes.astype(np.uint8),
        human=answers["human"].numpy(),
        mouse=answers["mouse"].numpy(),
        table_distances=np.array(TABLE_DISTANCES),
        table=table[[len(table) // 2 + distance for distance in TABLE_DISTANCES]].numpy(),
        **{f"weight/{key}": value for key, value in weights.items()},
    )


def is_first(key: str) -> bool:
    """Whether the key is the first of a weight that has two, and no counter."""
    return not key.startswith("_trunk.") and not key.endswith("num_batches_tracked")


def random_weight(key: str, shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
    """In half precision, so that they are few bytes; large enough that no part goes unseen."""
    drawn = generator.normal(size=shape)
    if key.endswith("running_var"):
        drawn = np.exp(drawn / 4)
    elif len(shape) > 1 and "bias" not in key:
        drawn = drawn * 1.5 / np.sqrt(np.prod(shape[1:]))
    return drawn.astype(np.float16)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
