"""HTTP and nothing else: bodies in, replies out, errors as problem documents."""
