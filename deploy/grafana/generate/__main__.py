"""`python -m deploy.grafana.generate` writes the dashboards."""

from __future__ import annotations

import json
from pathlib import Path

from deploy.grafana.generate.models import MODELS
from deploy.grafana.generate.panels import Dashboard
from deploy.grafana.generate.queue import QUEUE
from deploy.grafana.generate.redis import REDIS
from deploy.grafana.generate.service import SERVICE
from deploy.grafana.generate.spelling import spelled

FOLDER = Path(__file__).parent.parent / "dashboards"
DASHBOARDS = (SERVICE, QUEUE, MODELS, REDIS)


def text_of(dashboard: Dashboard) -> str:
    """The file of a dashboard."""
    return json.dumps(spelled(dashboard), indent=1) + "\n"


def main() -> None:
    """Write every dashboard beside the others."""
    FOLDER.mkdir(exist_ok=True)
    for dashboard in DASHBOARDS:
        (FOLDER / f"{dashboard.uid}.json").write_text(text_of(dashboard))


if __name__ == "__main__":
    main()
