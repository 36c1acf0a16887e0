"""Tokenizers, trained on training rows only and written as the `tokenizer.json` that the service reads."""

from training.tokenizers.bpe import CLS, MASK, PAD, SEP, SPECIAL_TOKENS, train_bpe

__all__ = ["CLS", "MASK", "PAD", "SEP", "SPECIAL_TOKENS", "train_bpe"]
