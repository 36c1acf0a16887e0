"""Who may ask: API keys, the file that holds them, and which of them is whose."""
