"""The commands of `basecast`, one file for each group of them; no command imports another."""
