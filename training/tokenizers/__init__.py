"""Tokenizers, written as the `tokenizer.json` that the service reads; what learns, learns from training rows only."""

from training.tokenizers.bpe import CLS, MASK, PAD, SEP, SPECIAL_TOKENS, train_bpe

__all__ = ["CLS", "MASK", "PAD", "SEP", "SPECIAL_TOKENS", "train_bpe"]
