"""What is loaded, whether it works, and what it counts."""

from __future__ import annotations

import httpx

from app.main import Service


async def test_models_lists_what_is_loaded(client: httpx.AsyncClient) -> None:
    models = (await client.get("/models")).json()["models"]
    assert [(model["name"], model["version"], model["max_bases"]) for model in models] == [
        ("gc", "1.0.0", 1000),
        ("mean-id", "1.0.0", 500),
    ]


async def test_a_model_shows_its_manifest_without_its_files(client: httpx.AsyncClient) -> None:
    document = (await client.get("/models/gc")).json()
    assert document["input"]["ambiguous"] == "n"
    assert document["targets"][0]["name"] == "gc_fraction"
    assert "files" not in document


async def test_a_model_can_be_asked_for_by_version(client: httpx.AsyncClient) -> None:
    assert (await client.get("/models/gc@1.0.0")).status_code == 200
    unknown = await client.get("/models/gc@2.0.0")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_model")


async def test_a_running_service_is_alive_and_ready(client: httpx.AsyncClient) -> None:
    assert (await client.get("/livez")).json() == {"status": "ok", "checks": {"event_loop": "ok", "compute": "ok"}}
    ready = await client.get("/readyz")
    assert ready.status_code == 200
    assert set(ready.json()["checks"]) == {"models", "workers", "queue", "draining"}


async def test_without_workers_it_is_alive_but_not_ready(service: Service) -> None:
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app=service.app), base_url="http://toy")
    assert (await client.get("/livez")).status_code == 200
    ready = await client.get("/readyz")
    assert (ready.status_code, ready.json()["checks"]["workers"]) == (503, "no live worker for gc@1.0.0, mean-id@1.0.0")


async def test_once_nothing_can_be_computed_it_is_not_alive(service: Service, client: httpx.AsyncClient) -> None:
    service.backend.fuse.blow("a batch hangs")
    live = await client.get("/livez")
    assert (live.status_code, live.json()["checks"]["compute"]) == (503, "a batch hangs")


async def test_while_it_drains_it_is_not_ready_and_takes_nothing_new(
    service: Service, client: httpx.AsyncClient
) -> None:
    service.predictor.draining = True
    assert (await client.get("/readyz")).status_code == 503
    refused = await client.post("/predict", json={"model": "gc", "sequences": ["GC"]})
    assert (refused.status_code, refused.json()["code"], refused.headers["retry-after"]) == (503, "draining", "1")
    assert refused.headers["connection"] == "close"


async def test_metrics_count_what_happened(client: httpx.AsyncClient) -> None:
    await client.post("/predict", json={"model": "gc", "sequences": ["GC", "AT", "GC"]})
    text = (await client.get("/metrics")).text
    for line in (
        'basecast_requests_total{code="200",route="/predict"} 1.0',
        'basecast_sequences_total{model="gc",outcome="ok"} 3.0',
        'basecast_tokens_total{model="gc"} 4.0',
        'basecast_deduplicated_total{model="gc"} 1.0',
        'basecast_phase_seconds_count{phase="total"} 1.0',
        'basecast_prediction_value_count{model="gc",target="gc_fraction"} 3.0',
        "basecast_ready 1.0",
        'basecast_workers_ready{model="gc"} 1.0',
        'basecast_sequence_tokens_bucket{le="16",model="gc"} 3.0',
    ):
        assert line in text.splitlines()
