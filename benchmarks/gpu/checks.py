"""Is a device right? Each check says what it saw; on a CPU they are the same checks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from app.bundle import Bundle
from app.encoding import Ids
from app.engine import OnnxModel
from app.errors import BundleError, OutOfMemory
from app.segmented_engine import open_graphs
from app.session import CPU, CUDA


@dataclass(frozen=True)
class Check:
    """One thing that has to hold.

    Attributes:
        seen: what was seen, for people.
    """

    name: str
    passed: bool
    seen: str


def check_golden_examples(bundle: Bundle, device: str) -> Check:
    """The bundle opens on the device, on no other, and predicts what its manifest says."""
    name = f"golden examples and provider: {bundle.manifest.name}"
    wanted = CUDA if device.startswith("cuda") else CPU
    try:
        graphs = open_graphs(bundle, device, allow_cpu=device == "cpu")
    except BundleError as error:
        return Check(name, False, str(error))
    found = {graph.provider for graph in graphs}
    return Check(name, found == {wanted}, ", ".join(sorted(found)))


def check_alone(model: OnnxModel, rows: Sequence[Ids]) -> Check:
    """Rows of several lengths predict in one batch what each predicts by itself."""
    together = model.predict(rows)
    alone = np.concatenate([model.predict([row]) for row in rows])
    deviations = np.array([target.standard_deviation for target in model.manifest.targets])
    worst = float(np.max(np.abs(together - alone) / deviations))
    tolerance = model.manifest.golden.tolerance
    seen = f"{worst:.1e} standard deviations apart, {tolerance:g} allowed"
    return Check(f"a batch predicts as each row alone: {model.manifest.name}", worst <= tolerance, seen)


def check_out_of_memory(model: OnnxModel, rows: Sequence[Ids]) -> Check:
    """A batch that the device cannot hold is refused as such, and what comes after it is right."""
    name = "memory that runs out is understood and survived"
    try:
        model.predict(rows)
    except OutOfMemory:
        return _after(name, model.verify, "refused; golden examples hold afterwards")
    return Check(name, False, f"a batch of {len(rows):,} rows of {len(rows[0]):,} was predicted")


def check_rebuilt(model: OnnxModel) -> Check:
    """A session that takes the place of another predicts the same."""
    return _after("a session is built anew", model.rebuild, "golden examples hold")


def _after(name: str, verify: Callable[[], None], seen: str) -> Check:
    try:
        verify()
    except BundleError as error:
        return Check(name, False, str(error))
    return Check(name, True, seen)
