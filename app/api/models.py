"""GET /models and GET /models/{name}: what is loaded, and everything its manifest tells."""

from __future__ import annotations

from typing import Any

from app.api.replies import model_info
from app.predictor import Predictor
from app.served_models import ServedModel


class ModelRoutes:
    """The handlers and what they need."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    async def list_models(self) -> dict[str, Any]:
        """List the loaded bundles."""
        return {"models": [_summary(model) for model in self._predictor.models]}

    async def show_model(self, name: str) -> dict[str, Any]:
        """Show a bundle's manifest: input rules, targets, test figures, provenance, limits."""
        model = self._predictor.model(name)
        return {"sha256": model.sha256, **model.manifest.public()}


def _summary(model: ServedModel) -> dict[str, Any]:
    manifest = model.manifest
    return model_info(model) | {
        "summary": manifest.summary,
        "task": manifest.task,
        "organism": manifest.organism,
        "min_bases": manifest.input.min_bases,
        "max_bases": manifest.input.max_bases,
    }
