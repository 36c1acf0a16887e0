"""The bar shows how far a run is, with figures that a person can read at a glance."""

from rich.console import Console

from training.pretraining.watching import watching


def test_figures_are_rounded_to_what_is_read() -> None:
    console = Console(record=True, width=160, force_terminal=True)

    with watching(console, "toy") as report:
        report(0.5, {"step": 50, "tokens_per_second": 1_234_567.8, "train_loss": 5.15492})

    text = console.export_text()
    assert "toy" in text
    assert "50%" in text
    assert "step 50  tokens per second 1,234,568  train loss 5.155" in text
