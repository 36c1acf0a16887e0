"""Whoever waits for a model sees how far it is, how fast it goes and how good it is."""

import io

from rich.console import Console
from rich.progress import Progress

from training.watching import StepsPerSecond, Watcher


def test_the_bar_shows_steps_loss_rate_and_validation_figures() -> None:
    screen = io.StringIO()

    with Watcher(Console(file=screen, force_terminal=True, width=120)).watching("model", 4) as advance:
        advance(2, {"loss": 0.25, "learning_rate": 0.0003})
        advance(1, {})
        advance(1, {"epoch": 1, "r2_first": 0.5, "r2_second": -0.125})

    shown = screen.getvalue()
    assert "4/4" in shown
    assert "loss 0.250, rate 3.0e-04, valid R2 0.500 -0.125" in shown


def test_a_speed_is_shown_once_it_is_known() -> None:
    clock = iter([0.0, 0.0, 2.0, 4.0])  # started, and after each of three updates
    progress = Progress(StepsPerSecond(), console=Console(quiet=True), get_time=lambda: next(clock))
    number = progress.add_task("model", total=100)
    (task,) = progress.tasks
    unknown = StepsPerSecond().render(task).plain
    for _ in range(3):
        progress.update(number, advance=6)

    assert unknown == ""
    assert StepsPerSecond().render(task).plain == "3 steps/s"  # 12 steps in the 4 seconds between the updates


def test_a_quiet_console_is_told_nothing() -> None:
    screen = io.StringIO()

    Watcher(Console(file=screen, quiet=True)).say("fp16: emulated")
    Watcher(Console(file=screen)).say("bf16: emulated")

    assert screen.getvalue() == "bf16: emulated\n"
