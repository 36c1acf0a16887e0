"""Tokenizers, trained on training rows only and written as the `tokenizer.json` that the service reads."""

from training.tokenizers.bpe import PAD, SPECIAL_TOKENS, train_bpe

__all__ = ["PAD", "SPECIAL_TOKENS", "train_bpe"]
