"""The report's pictures, one module each; `style` is the look that all of them share."""
