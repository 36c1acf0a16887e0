"""Public data sets, one module each; all of them produce a `Table`."""
