"""Whom a project's home and the person's own below it believe, as one."""

from __future__ import annotations

from collections.abc import Hashable

from toolwright.provenance import UntrustedError
from toolwright.provenance.trust import Trust
from toolwright.provenance.versions import Judged, Provenance, Record
from toolwright.provenance.withdrawals import Withdrawal


class LayeredTrust(Trust):
    """The trust of the *upper* home, which signs; what the *lower* one believes or withdrew holds too."""

    def __init__(self, upper: Trust, lower: Trust) -> None:
        super().__init__(upper.keys, upper.papers)
        self.unsigned, self._lower = upper.unsigned, lower

    def stamp(self) -> Hashable:
        """See `Trust.stamp`."""
        return super().stamp(), self._lower.stamp()

    def proven(self, record: Record, number: int) -> Provenance:
        """See `Trust.proven`; by the keys of either home, never by one statement of each."""
        try:
            return super().proven(record, number)
        except UntrustedError as error:
            try:
                return self._lower.proven(record, number)
            except UntrustedError:
                raise error from None

    def judged(self, record: Record, number: int) -> Judged:
        """See `Trust.judged`; by the keys of either home."""
        try:
            return super().judged(record, number)
        except UntrustedError as error:
            try:
                return self._lower.judged(record, number)
            except UntrustedError:
                raise error from None

    def unsigned_on(self, shelf: str) -> str:
        """See `Trust.unsigned_on`."""
        return self._lower.unsigned if shelf else self.unsigned

    def withdrawn(self, namespace: str, name: str, number: int, digest: str) -> Withdrawal | None:
        """See `Trust.withdrawn`."""
        own = super().withdrawn(namespace, name, number, digest)
        return own or self._lower.withdrawn(namespace, name, number, digest)

    def revoked(self, digest: str) -> Withdrawal | None:
        """See `Trust.revoked`."""
        return super().revoked(digest) or self._lower.revoked(digest)
