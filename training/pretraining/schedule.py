"""How far a run is, by steps or by time, and which learning rate belongs there."""

from __future__ import annotations

import math

from training.pretraining.config import StepsConfig

LEAST_SHARE_OF_LEARNING_RATE = 1 / 100


def share_done(step: int, seconds: float, config: StepsConfig) -> float:
    """From 0 to 1: the further of the limits in steps and in time.

    Args:
        step: steps taken.
        seconds: of training.
        config: the limits.
    """
    by_steps = step / config.steps if config.steps else 0.0
    by_time = seconds / (60 * config.minutes) if config.minutes else 0.0
    return min(1.0, max(by_steps, by_time))


def learning_rate(done: float, config: StepsConfig) -> float:
    """Linear warm-up, then a cosine; both from and to a hundredth of the peak.

    Args:
        done: share of the run.
        config: peak and warm-up.
    """
    least = LEAST_SHARE_OF_LEARNING_RATE
    if done < config.warmup_fraction:
        share = done / config.warmup_fraction
    else:
        share = (1 + math.cos(math.pi * (done - config.warmup_fraction) / (1 - config.warmup_fraction))) / 2
    return config.learning_rate * (least + (1 - least) * share)
