"""One pre-training from FASTA to folder: read, learn the vocabulary, tokenise, train, write."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path

import torch
from rich.console import Console

from training.checkpoint import RunFolder, write_atomically
from training.code_version import code_version
from training.errors import DataError
from training.pretraining.config import PretrainConfig
from training.pretraining.corpus import Corpus, learn_vocabulary, load_corpus, tokenise
from training.pretraining.folder import write_folder
from training.pretraining.genome import Genome, read_genome
from training.pretraining.loop import Pretraining
from training.pretraining.perplexity import frequency_perplexity
from training.pretraining.pretrained import Pretrained
from training.pretraining.watching import watching

TOKENIZER = "tokenizer.json"
CORPUS = "corpus.npz"
CODE_VERSION = "code_version.txt"
PRETRAINED = "pretrained"


def pretrain(config: PretrainConfig, data: Path, folder: Path, device: torch.device, console: Console) -> Pretrained:
    """Pre-train a model, or go on where its run stopped, and write it as a folder in DNABERT-2's format.

    Args:
        config: what to train on and how.
        data: the folder that holds the data sets' folders.
        folder: of the run; the result is `pretrained/` inside it.
        device: where to train.
        console: shows the progress.

    Raises:
        DataError: the genome cannot be read, or holds no segment as long as a row.
        ConfigError: a contig is not there, or the vocabulary cannot be learnt.
        FitError: the loss is no longer finite, or the folder holds another run.
    """
    digests = data_digests(config, data)
    genome = read_genome(config.genome, data)
    RunFolder(folder, {"config": asdict(config), "data_sha256": digests})
    write_atomically(folder / CODE_VERSION, f"{code_version()}\n".encode())
    tokenizer_json, corpus = _prepared(config, genome, folder)
    console.print(
        f"{config.name}: {genome.train_bases:,} bases of each strand are {len(corpus.train.ids):,} tokens of both; "
        f"{genome.valid_bases:,} bases held out"
    )
    run = Pretraining(config, corpus, folder, device)
    with watching(console, config.name) as report:
        run.train(report)
    pretrained = Pretrained(
        config=config,
        genome=genome,
        corpus=corpus,
        model=run.model.cpu(),
        tokenizer_json=tokenizer_json,
        metrics=run.history[-1] | {"frequency_perplexity": _frequency_perplexity(config, corpus)},
        data_sha256=digests,
        code_version=code_version(),
        device=_device_name(device),
    )
    write_folder(folder / PRETRAINED, pretrained)
    return pretrained


def data_digests(config: PretrainConfig, data: Path) -> dict[str, str]:
    """SHA-256 of each file that is read.

    Raises:
        DataError: one is missing.
    """
    names = [name for name in (config.genome.fasta, config.genome.exclude_bed) if name]
    try:
        return {name: _sha256(data / name) for name in names}
    except OSError as error:
        raise DataError(
            f"{error.filename}: {error.strerror}; name the folder that holds {config.genome.fasta} with --data"
        ) from None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _prepared(config: PretrainConfig, genome: Genome, folder: Path) -> tuple[bytes, Corpus]:
    """Tokenizer and tokens, made once per run: the tokens are written last, so they are there when both are."""
    if (folder / CORPUS).is_file():
        return (folder / TOKENIZER).read_bytes(), load_corpus(folder / CORPUS)
    tokenizer_json = learn_vocabulary(genome, config.vocabulary, config.seed)
    corpus = tokenise(genome, tokenizer_json)
    write_atomically(folder / TOKENIZER, tokenizer_json)
    corpus.save(folder / CORPUS)
    return tokenizer_json, corpus


def _frequency_perplexity(config: PretrainConfig, corpus: Corpus) -> float:
    return frequency_perplexity(corpus.train, corpus.valid, config.vocabulary.entries)


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
