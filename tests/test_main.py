"""Putting the parts together: which bundles are served, under which names."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.errors import BundleError
from app.main import create_app, create_service
from app.settings import Settings
from tests.toy import write_toy_bundle


def test_the_newest_version_of_a_name_is_the_default(tmp_path: Path) -> None:
    for folder, version in (("a", "1.9.0"), ("b", "1.10.0"), ("c", "1.2.0")):
        write_toy_bundle(tmp_path / folder, "gc", version=version).rename(tmp_path / f"gc-{folder}")
    service = create_service(Settings(models=tmp_path, threads=1))
    assert [model.manifest.version for model in service.predictor.models] == ["1.10.0", "1.9.0", "1.2.0"]
    assert service.predictor.model("gc").manifest.version == "1.10.0"
    assert service.predictor.model("gc@1.2.0").manifest.version == "1.2.0"


def test_versions_served_side_by_side_are_counted_apart(tmp_path: Path) -> None:
    for folder, version in (("a", "1.0.0"), ("b", "2.0.0")):
        write_toy_bundle(tmp_path / folder, "gc", version=version).rename(tmp_path / f"gc-{folder}")
    registry = create_service(Settings(models=tmp_path, threads=1)).metrics.registry
    assert registry.get_sample_value("basecast_queue_jobs", {"model": "gc@1.0.0"}) == 0
    assert registry.get_sample_value("basecast_queue_jobs", {"model": "gc@2.0.0"}) == 0


def test_one_version_in_two_folders_is_refused(tmp_path: Path) -> None:
    write_toy_bundle(tmp_path, "gc")
    write_toy_bundle(tmp_path / "copy", "gc").rename(tmp_path / "gc-copy")
    with pytest.raises(BundleError, match=r"gc@1\.0\.0 is there in 2 folders"):
        create_app(Settings(models=tmp_path, threads=1))


async def test_readiness_and_its_metrics_follow_the_workers(toy_models: Path) -> None:
    service = create_service(Settings(models=toy_models, threads=1))
    value = service.metrics.registry.get_sample_value

    def workers() -> list[float | None]:
        return [value("basecast_workers_ready", {"model": model}) for model in ("gc", "mean-id")]

    async with service.running():
        assert (value("basecast_ready"), workers()) == (1, [1, 1])
        service.predictor.draining = True
        assert (value("basecast_ready"), workers()) == (0, [1, 1])
    assert (value("basecast_ready"), workers()) == (0, [0, 0])
