"""Byte-pair encoding: the most frequent neighbours become one token, again and again."""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

SPECIAL_TOKENS = ("[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]")
UNK, CLS, SEP, PAD, MASK = range(5)


def train_bpe(sequences: Sequence[str], vocabulary: int) -> bytes:
    """Train a byte-pair encoding in DNABERT-2's layout.

    Args:
        sequences: upper-case bases, of the training split only.
        vocabulary: entries, special tokens included.

    Returns:
        The content of `tokenizer.json`.
    """
    tokenizer = Tokenizer(models.BPE(unk_token=SPECIAL_TOKENS[UNK], fuse_unk=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=list("ACGT"),
        show_progress=False,
    )
    tokenizer.train_from_iterator(sequences, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", CLS), ("[SEP]", SEP)],
    )
    return tokenizer.to_str(pretty=True).encode()
