"""The models that are loaded, as the API side sees them: by name, each with how to encode for it and where to ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.bundle import Manifest
from app.dosage import ModelVariants
from app.encoding import SequenceEncoder
from app.errors import ItemError, UnknownModel, Unprocessable
from app.metrics import ModelMetrics
from app.queue import JobQueue
from app.window_encoding import WindowEncoder


@dataclass(frozen=True, eq=False)
class ServedModel:
    """One bundle as the API side sees it: how to encode for it, and the queue to its workers.

    Attributes:
        queue: to the workers of its first graph.
        variants: what a model of dosages reads.
        head: the queue to the workers of its head, where it reads windows in segments.
    """

    manifest: Manifest
    sha256: str
    encoder: SequenceEncoder | WindowEncoder
    queue: JobQueue
    metrics: ModelMetrics
    variants: ModelVariants | None = None
    head: JobQueue | None = None

    @property
    def queues(self) -> tuple[JobQueue, ...]:
        """One for each of its graphs."""
        return (self.queue,) if self.head is None else (self.queue, self.head)


class ServedModels:
    """All of them, by name.

    Args:
        models: in order of preference; of several versions of one name the first is the default.
    """

    def __init__(self, models: Sequence[ServedModel]) -> None:
        self.all = tuple(models)
        self._by_name = {model.manifest.name: model for model in reversed(models)}
        self._by_name |= {model.manifest.versioned_name: model for model in models}

    def model(self, name: str | None) -> ServedModel:
        """The model of that name, `name@version`, or the only one there is.

        Raises:
            UnknownModel: there is none, or no name was given and there are several.
        """
        if name is None and len(self.all) == 1:
            return self.all[0]
        if name is None:
            raise UnknownModel(f"Several models are loaded; name one of {self._names()}.")
        if name not in self._by_name:
            raise UnknownModel(f"No model of that name or version is loaded; there is {self._names()}.")
        return self._by_name[name]

    def sequence_model(self, name: str | None) -> ServedModel:
        """The same, which must be one that reads sequences.

        Raises:
            UnknownModel: as `model`.
            Unprocessable: it reads genotypes.
        """
        model = self.model(name)
        if not model.manifest.input.reads_sequences:
            detail = "This model reads genotypes and no sequences; ask POST /predict/individual."
            raise Unprocessable(detail, items=[ItemError("/model", "needs_genotypes", detail)])
        return model

    def _names(self) -> str:
        return ", ".join(model.manifest.versioned_name for model in self.all)
