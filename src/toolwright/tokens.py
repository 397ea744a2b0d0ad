"""Who may come in by the HTTP door: a home goes in, its bearer tokens are made, listed and taken back, and audited."""

from __future__ import annotations

from collections.abc import Sequence

from toolwright.deeds import Deed, DeedWord
from toolwright.store.home import Home
from toolwright.store.tokens import TokenBook, TokenInfo
from toolwright.whoever import person_here


def listed(home: Home) -> list[TokenInfo]:
    """Every token, by name, without its text."""
    return TokenBook(home.path).list()


def added(
    home: Home, namespace: str, name: str, scopes: Sequence[str], until: float | None = None, who: str = ""
) -> TokenInfo:
    """A new token, with its `text`. UserError."""
    made = TokenBook(home.path).add(name, scopes, until)
    _note(home, namespace, "token-added", made, who)
    return made


def revoked(home: Home, namespace: str, name: str, who: str = "") -> TokenInfo:
    """The token that was taken back. NotFoundError."""
    gone = TokenBook(home.path).revoke(name)
    _note(home, namespace, "token-revoked", gone, who)
    return gone


def whose(home: Home, text: str) -> TokenInfo | None:
    """The token that *text* is, if it holds."""
    return TokenBook(home.path).whose(text)


def _note(home: Home, namespace: str, what: DeedWord, token: TokenInfo, who: str) -> None:
    said = f"scopes {', '.join(token.scopes)}"
    home.audit.add(Deed(who or person_here(), what, namespace, token.name, None, said))
