"""Published checkpoints, read in their own on-disk formats and without running any code of theirs."""
