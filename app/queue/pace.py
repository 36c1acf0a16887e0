"""How fast a model's batches go, learned from those that were computed."""

from __future__ import annotations

from collections.abc import Sequence

from app.batching import Answer, Batch, Outcome

SMOOTHING = 0.2
# Batches tell what a token costs only where their sizes differ by this share of the mean (standard deviation).
VARIED = 0.25


class Pace:
    """How long batches take: a part that is the same for each, and a part for each of its tokens.

    Both are a least-squares line through past batches, the latest of which count most. Where all were about equally
    large everything counts as fixed: right for batches of that size, and hopeful for larger ones. How large they become
    is learned from those behind which others waited, which are no smaller than the rest: the first may be of one short
    sequence.

    Args:
        threads: how many batches are computed at once.
    """

    def __init__(self, threads: int) -> None:
        self.in_hand = 0  # batches that were taken and not settled
        self.full_tokens = 0.0  # of a batch under load; 0 until there was one
        self._threads = threads
        self._progress_at = 0.0
        self._learned = self._learned_full = 0
        self._mean_tokens = self._mean_full_tokens = self._mean_seconds = 0.0
        self._variance = self._covariance = 0.0
        # What follows from these, worked out when a batch is learned from and not for each request.
        self._slope = 0.0
        self.seconds_per_token = 0.0  # of one thread in a batch under load; 0 until that is known
        self.full_batch_seconds = 0.0  # of a batch under load; 0 until there was one

    def taken(self, batches: Sequence[Batch], now: float) -> None:
        """Take note of batches that a worker has taken."""
        self.in_hand += len(batches)
        self._progress_at = now

    def given_back(self, batches: Sequence[Batch]) -> None:
        """Take note of batches that it will not compute."""
        self.in_hand -= len(batches)

    def settled(self, batch: Batch, outcomes: Sequence[Outcome], now: float) -> None:
        """Take note of a batch that was computed, and learn from it."""
        self.in_hand -= 1
        self._progress_at = now
        answer = next((outcome for outcome in outcomes if isinstance(outcome, Answer)), None)
        if answer is not None:
            self._learn(batch, answer.compute_seconds)

    def _learn(self, batch: Batch, seconds: float) -> None:
        tokens = batch.tokens
        self._learned += 1
        share = max(SMOOTHING, 1 / self._learned)
        more_tokens, more_seconds = tokens - self._mean_tokens, seconds - self._mean_seconds
        self._mean_tokens += share * more_tokens
        self._mean_seconds += share * more_seconds
        self._variance = (1 - share) * (self._variance + share * more_tokens**2)
        self._covariance = (1 - share) * (self._covariance + share * more_tokens * more_seconds)
        self._slope = self._learned_slope()
        if batch.others_wait:
            self._learned_full += 1
            self._mean_full_tokens += max(SMOOTHING, 1 / self._learned_full) * (tokens - self._mean_full_tokens)
        if self._learned_full:
            self.full_tokens = max(self._mean_full_tokens, self._mean_tokens)
        self.full_batch_seconds = self.batch_seconds(self.full_tokens) if self.full_tokens else 0.0
        self.seconds_per_token = self.full_batch_seconds / self.full_tokens if self.full_tokens else self._slope

    def _learned_slope(self) -> float:
        """Seconds that one token more costs: nothing at least, and at most its share of a batch."""
        if self._variance <= (VARIED * self._mean_tokens) ** 2:
            return 0.0
        return min(max(self._covariance / self._variance, 0.0), self._mean_seconds / self._mean_tokens)

    def batch_seconds(self, tokens: float) -> float:
        """How long a batch of so many tokens takes; 0 until something is known."""
        return max(0.0, self._mean_seconds + self._slope * (tokens - self._mean_tokens))

    def free_in_seconds(self, now: float) -> float:
        """How long until a thread is free, by what is in hand."""
        if self.in_hand < self._threads:
            return 0.0
        return max(0.0, self.in_hand / self._threads * self._mean_seconds - self.silent_seconds(now))

    def silent_seconds(self, now: float) -> float:
        """How long ago a batch was last taken or settled."""
        return now - self._progress_at
