"""`python -m training`, dying without a word after so many steps: what a kill looks like to `torchrun`."""

import os
import sys

from training.__main__ import main
from training.fit import Run

steps = int(sys.argv.pop(1))
take_step = Run._step


def step(run, parts):
    if run.steps == steps:
        os._exit(1)
    return take_step(run, parts)


Run._step = step
main()
