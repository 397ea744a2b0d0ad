"""A home from before tools were signed goes in: what it admitted itself, and still holds, is signed once and noted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, Protocol

from toolwright import toolfile
from toolwright.deeds import Deed
from toolwright.errors import EditedError, NotFoundError
from toolwright.provenance.trust import IMPORTED, Trust
from toolwright.provenance.versions import SIGNATURE
from toolwright.store import Store

BEGUN: Final = "signing-begun"
"""The audit's word for the moment from which on nothing unsigned is believed."""


class Audit(Protocol):
    """Where it is kept who changed what on the shelf."""

    def add(self, deed: Deed) -> None:
        """Keep a deed."""

    def admitted(self) -> Sequence[tuple[str, str, int, str]]:
        """Namespace, name, number and digest of each version that was admitted here."""

    def any(self, what: str) -> bool:
        """Whether a deed of that kind is kept."""


def sign_once(store: Store, trust: Trust, audit: Audit) -> int:
    """Sign each version that this home's audit says it admitted, and whose digest holds; how many. Never a second time.

    What lies there beside them was copied in by hand: nobody here validated it, and it stays refused until adopted.
    """
    if audit.any(BEGUN):
        return 0
    signed = 0
    for namespace, name, number, digest in audit.admitted():

        def by_us(record: Mapping[str, Any], number: int = number, digest: str = digest) -> Mapping[str, Any]:
            if record.get(SIGNATURE) or record["digest"] != digest:
                raise EditedError("signed already, or another one")
            return trust.signed(record, number, IMPORTED)

        with suppress(EditedError, NotFoundError):
            stored = store.load(namespace, name, number)
            if toolfile.from_record(stored.text, stored.record, number=number).digest == digest:
                store.sign(namespace, name, number, by_us)
                audit.add(Deed("toolwright", "imported", namespace, name, number, "unsigned until then"))
                signed += 1
    audit.add(Deed("toolwright", BEGUN, "local", "", None, f"{signed} versions were signed as imported"))
    return signed
