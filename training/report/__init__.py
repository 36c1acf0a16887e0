"""The report: models beside each other on the same rows, as Markdown and pictures in docs/accuracy/."""
