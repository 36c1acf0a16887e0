"""The model learns a genome that repeats itself, and a killed run ends with the weights of one that was not."""

from pathlib import Path

import pytest
import torch

from tests.training.pretraining.conftest import CONFIG, Fitted
from training.errors import FitError
from training.pretraining import loop
from training.pretraining.config import PretrainConfig
from training.pretraining.corpus import Corpus, learn_vocabulary, tokenise
from training.pretraining.genome import read_genome
from training.pretraining.loop import Pretraining
from training.pretraining.model import FusedSelfAttention
from training.pretraining.perplexity import frequency_perplexity

CPU = torch.device("cpu")


def silent(done: float, figures: object) -> None:
    """Report to nobody."""


@pytest.fixture(scope="module")
def corpus(toy_genome: Path) -> Corpus:
    genome = read_genome(CONFIG.genome, toy_genome)
    return tokenise(genome, learn_vocabulary(genome, CONFIG.vocabulary, seed=0))


def test_a_genome_that_repeats_itself_is_learnt(fitted: Fitted, corpus: Corpus, tmp_path: Path) -> None:
    run = Pretraining(fitted(steps=240, save_every_steps=80, batch=16, learning_rate=0.004), corpus, tmp_path, CPU)

    run.train(silent)

    assert [row["step"] for row in run.history] == [80, 160, 240]
    losses = [row["train_loss"] for row in run.history]
    assert losses == sorted(losses, reverse=True)
    by_frequency = frequency_perplexity(corpus.train, corpus.valid, vocabulary=24)
    assert run.history[-1]["valid_perplexity"] < 0.6 * by_frequency


class Killed(BaseException):
    """What a kill looks like from inside."""


def test_a_killed_run_resumes_to_the_same_weights(
    config: PretrainConfig, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Pretraining(config, corpus, tmp_path / "whole", CPU)
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    whole.train(silent)
    killed = Pretraining(config, corpus, tmp_path / "killed", CPU)
    steps = iter(range(5))  # checkpoints are written after steps 3 and 6: killed in the sixth

    def step(run: Pretraining) -> None:
        if next(steps, None) is None:
            raise Killed
        take_step(run)

    take_step = Pretraining._take_step
    with monkeypatch.context() as patched:
        patched.setattr(Pretraining, "_take_step", step)
        with pytest.raises(Killed):
            killed.train(silent)

    resumed = Pretraining(config, corpus, tmp_path / "killed", CPU)
    assert resumed.step == 3
    resumed.train(silent)

    for name, weights in whole.model.state_dict().items():
        assert torch.equal(weights, resumed.model.state_dict()[name]), name
    assert [row["valid_loss"] for row in resumed.history] == [row["valid_loss"] for row in whole.history]


def test_a_finished_run_takes_no_more_steps(config: PretrainConfig, corpus: Corpus, tmp_path: Path) -> None:
    Pretraining(config, corpus, tmp_path, CPU).train(silent)
    written = (tmp_path / "metrics.csv").stat()

    Pretraining(config, corpus, tmp_path, CPU).train(silent)

    assert (tmp_path / "metrics.csv").stat() == written


def test_a_damaged_checkpoint_is_named(config: PretrainConfig, corpus: Corpus, tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(b"PK\x03\x04 and no more")

    with pytest.raises(FitError, match=r"checkpoint\.pt is damaged: remove its folder and start the run again"):
        Pretraining(config, corpus, tmp_path, torch.device("cpu"))


def test_a_limit_in_time_ends_the_run(fitted: Fitted, corpus: Corpus, tmp_path: Path) -> None:
    run = Pretraining(fitted(steps=0, minutes=0.02, save_every_steps=10**6), corpus, tmp_path, CPU)

    run.train(silent)

    assert run.step > 0
    assert run.done == 1
    assert 1.2 <= run.seconds < 10
    assert run.history[-1]["tokens"] == run.step * 8 * 32


def test_a_loss_that_explodes_ends_the_run(
    fitted: Fitted, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "STEPS_PER_LOOK", 1)
    run = Pretraining(fitted(steps=100), corpus, tmp_path, CPU)
    with torch.no_grad():
        run.model.bert.embeddings.word_embeddings.weight.fill_(float("nan"))

    with pytest.raises(FitError, match=r"toy-pretrain: the loss is no longer finite at step 1; lower"):
        run.train(silent)
    assert not (tmp_path / "checkpoint.pt").exists()


def test_the_watcher_hears_how_far_the_run_is(fitted: Fitted, corpus: Corpus, tmp_path: Path) -> None:
    heard: list[tuple[float, dict[str, float]]] = []

    Pretraining(fitted(steps=4, save_every_steps=2), corpus, tmp_path, CPU).train(
        lambda done, figures: heard.append((done, dict(figures)))
    )

    assert [done for done, _ in heard] == [0.0, 0.5, 1.0]
    assert heard[-1][1].keys() == {"step", "tokens_per_second", "train_loss"}


def test_beside_a_cpu_attention_is_fused(config: PretrainConfig) -> None:
    elsewhere, on_cpu = (loop.new_model(config, device) for device in (torch.device("meta"), CPU))

    assert all(isinstance(layer.attention.self, FusedSelfAttention) for layer in elsewhere.bert.encoder.layer)
    assert not any(isinstance(layer.attention.self, FusedSelfAttention) for layer in on_cpu.bert.encoder.layer)


def test_the_same_seed_gives_the_same_start(config: PretrainConfig) -> None:
    one, other = (loop.new_model(config, CPU).state_dict() for _ in range(2))

    assert all(torch.equal(one[name], other[name]) for name in one)
