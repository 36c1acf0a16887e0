"""The names of everything in Redis; one hash tag, so that a cluster keeps them in one slot and one ACL pattern fits."""

from __future__ import annotations

from dataclasses import dataclass

GROUP = "w"
DIGEST_LENGTH = 12


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one namespace."""

    namespace: str

    def interactive(self, digest: str) -> str:
        """The stream of a bundle's interactive requests."""
        return f"{{{self.namespace}}}:q:{digest[:DIGEST_LENGTH]}"

    def bulk(self, digest: str) -> str:
        """The stream of a bundle's bulk requests."""
        return f"{{{self.namespace}}}:b:{digest[:DIGEST_LENGTH]}"

    def inbox(self, api_process: str) -> str:
        """The stream of replies to one API process."""
        return f"{{{self.namespace}}}:r:{api_process}"

    def cancelled(self, api_process: str) -> str:
        """The ids of requests that one API process wants no more."""
        return f"{{{self.namespace}}}:x:{api_process}"

    def worker(self, worker: str) -> str:
        """The heartbeat of one worker process."""
        return f"{{{self.namespace}}}:w:{worker}"

    @property
    def dead(self) -> str:
        """The stream of what is known of requests that took several workers down."""
        return f"{{{self.namespace}}}:dead"
