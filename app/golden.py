"""Golden examples: the inputs and values by which a model proves that it predicts what its manifest promises."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from app.bundle import Golden, Manifest
from app.errors import BundleError
from app.session import first_line

Pairs = npt.NDArray[np.float32]  # (examples, 2, targets): each example twice, in a batch of two of it


def check_golden(manifest: Manifest, predict: Callable[[], Pairs]) -> None:
    """Compare what a model says of its golden examples with what the manifest says.

    Args:
        predict: the examples, in their order.

    Raises:
        BundleError: one fails, or differs by more than the manifest's tolerance.
    """
    name, golden = manifest.name, manifest.golden
    try:
        pairs = predict()
    except Exception as error:
        raise BundleError(f"{name}: a golden example fails ({type(error).__name__}): {first_line(error)}") from error
    worst = max(_largest_difference(pairs[:, place], golden, manifest) for place in range(2))
    if not worst <= golden.tolerance:  # also true for NaN
        raise BundleError(
            f"{name}: golden examples differ by {worst:.3g} standard deviations "
            f"(tolerance {golden.tolerance:g}); the model does not predict what its manifest says"
        )


def sequences(golden: Golden) -> list[str]:
    """The examples that are sequences."""
    return [example.sequence for example in golden.examples if example.sequence is not None]


def refused(manifest: Manifest) -> BundleError:
    """The failure of a model that does not read what it is proved by."""
    return BundleError(f"{manifest.name}: the model refuses one of its own golden examples")


def _largest_difference(predicted: npt.NDArray[np.float32], golden: Golden, manifest: Manifest) -> float:
    """Largest absolute difference to the golden values, in standard deviations of each target."""
    names = manifest.target_names
    expected = np.array([[example.values[name] for name in names] for example in golden.examples])
    spread = np.array([target.standard_deviation for target in manifest.targets])
    return float(np.max(np.abs(predicted - expected) / spread))
