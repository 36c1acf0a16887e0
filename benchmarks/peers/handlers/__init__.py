"""The same model behind five other servers, one file each; each runs in a virtual environment of its own."""
