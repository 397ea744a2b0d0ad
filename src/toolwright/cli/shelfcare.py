"""`toolwright registry copy`, `verify`, `gc`, `backup`, `restore --from`, `export`: a shelf as a whole."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from toolwright.cli.figures import counted
from toolwright.cli.live import print_json, working
from toolwright.cli.look import err, out, safe
from toolwright.cli.naming import complete_tool
from toolwright.cli.options import home_options

if TYPE_CHECKING:
    from toolwright.provenance.trust import Trust
    from toolwright.settings import Settings
    from toolwright.shelfcare.believing import Arrivals, NotBelieved, Waits
    from toolwright.shelfcare.copying import CopyReport, Left
    from toolwright.store.whole import Finding, Source, Wholes

STOPPED = 130
_SHOWN = 5
"""Versions that are not believed, or wait, by name; the others are counted, and all of them are in `--json`."""
_PLACE = click.Path(file_okay=False)
"""A shell completes folders; an address is no path that is there."""

_STORE = click.option(
    "--store", type=_PLACE, metavar="PLACE", help="A home's folder, or s3://BUCKET/PREFIX?table=TABLE."
)
VOUCH = click.option(
    "--vouch", is_flag=True, help="Sign at TO, unseen, what FROM believes (of a backup: all) and TO's home does not."
)
_DAYS = click.option("--days", type=click.FloatRange(0.05), default=1.0, help="Only what is so long unneeded (1).")


@click.command()
@click.argument("source", metavar="FROM", type=_PLACE)
@click.argument("target", metavar="TO", type=_PLACE)
@VOUCH
@home_options
def copy(source: str, target: str, vouch: bool, **options: Any) -> None:
    """Copy all tools FROM one shelf TO another, with their numbers, states, changes and requests.

    A shelf is a home's folder or s3://BUCKET/PREFIX?table=TABLE. Every version is held against its digest. What is
    there already is not copied again, so a copy that was stopped goes on where it was. A name with another history at
    TO is left, and the exit code is 1. What TO's home does not believe arrives, and does not run there, unless --vouch
    has it signed.
    """
    from toolwright.errors import UserError
    from toolwright.shelves import shelf_at, trust_at

    settings = _settings(options)
    if _same(source, target):
        raise UserError(f"{source} and {target} are one shelf; name another one to copy to.")
    with closing(shelf_at(settings, source)) as first, closing(shelf_at(settings, target, new=True)) as second:
        by = trust_at(settings, first, source)
        with _arrivals(settings, second, target, (source, by) if vouch else None) as arrivals:
            report = _copied(first, second, arrivals)
    _tell_copy(report, arrivals, source, target, options["as_json"])


def _same(source: str, target: str) -> bool:
    if "://" in source or "://" in target:
        return source == target
    return Path(source).expanduser().resolve() == Path(target).expanduser().resolve()


@contextmanager
def _arrivals(
    settings: Settings, shelf: Wholes, place: str | None, vouch: tuple[str, Trust | None] | None
) -> Iterator[Arrivals | str]:
    """Who looks at what arrived at *place*; or why nobody can say what is believed there.

    *vouch*: where it comes from, and whose trust speaks for it. SettingsError, RefusedError where nobody would believe
    what is signed; nothing was copied then.
    """
    from toolwright.deeds import Deed
    from toolwright.errors import RefusedError, SettingsError
    from toolwright.provenance.trust import vouched
    from toolwright.shelfcare.believing import Arrivals, Voucher
    from toolwright.shelves import trust_at
    from toolwright.store.home import Home
    from toolwright.whoever import who_here

    trust = trust_at(settings, shelf, place)
    if vouch is None:
        try:
            trust.keys.trusted()
        except SettingsError as error:
            yield str(error)
        else:
            yield Arrivals(shelf, trust)
        return
    source, by = vouch
    if by is not None:
        by.keys.trusted()
    if silenced := trust.silenced():
        raise RefusedError(f"Nothing was copied. {silenced}", "unknown-key")
    shared = place is None or "://" in place
    with closing(Home.open(settings.home if shared else Path(str(place)).expanduser().absolute())) as home:

        def note(namespace: str, name: str, number: int) -> None:
            home.audit.add(Deed("person", "vouched for", namespace, name, number, f"copied from {source}"))

        yield Arrivals(shelf, trust, Voucher(by, vouched(who_here(), source), note))


def _copied(source: Source, target: Wholes, arrivals: Arrivals | str) -> CopyReport:
    from toolwright.shelfcare.copying import CopyReport, copy

    report = CopyReport()
    with working("the shelf is read") as say:
        try:
            copy(source, target, report, say, (lambda _: None) if isinstance(arrivals, str) else arrivals)
        except KeyboardInterrupt:
            report.stopped = True
    return report


def _tell_copy(report: CopyReport, arrivals: Arrivals | str, source: str, target: str, as_json: bool) -> None:
    if as_json:
        copied = [
            {"namespace": one.namespace, "name": one.name, "versions": list(one.versions)} for one in report.copied
        ]
        body = {"type": "copied", "from": source, "to": target, "copied": copied, "there": report.there}
        signed = _believed_json(arrivals)
        print_json({**body, "left": _left_json(report.left), **signed, "stopped": report.stopped})
    else:
        _tell_left(report.left)
        there = f", there already {report.there}" if report.there else ""
        out().print(f"copied {len(report.copied)}{there}, left {len(report.left)}", markup=False)
        _tell_believed(arrivals)
    if report.stopped:
        err().print("Stopped. What was copied is whole; the same command goes on.", markup=False)
    sys.exit(STOPPED if report.stopped else 1 if report.left else 0)


def _tell_left(left: list[Left]) -> None:
    for one in left:
        out().print(safe(f"left {one}  {one.reason}: {one.detail}"), style="yellow", markup=False)


def _tell_believed(arrivals: Arrivals | str) -> None:
    if isinstance(arrivals, str):
        out().print(safe(f"nobody can say here what is believed there: {arrivals}"), style="yellow", markup=False)
        return
    if arrivals.vouched:
        out().print(f"vouched for {counted(arrivals.vouched, 'version')}", markup=False)
    if found := arrivals.not_believed:
        words = f"not believed there, and not run: {_named(found)}"
        cure = "`toolwright registry adopt NAME` validates one of them and signs it there."
        if arrivals.voucher is None:
            cure = f"If you trust where they come from, do it again with --vouch: it signs them there. Else {cure}"
        out().print(safe(words), style="yellow", markup=False)
        out().print(safe(cure), style="dim", markup=False)
    if waiting := arrivals.waiting:
        cure = "`toolwright registry promote NAME N` there puts one in force."
        if arrivals.voucher is None and any(one.reason for one in waiting):
            cure += " One whose validator is not believed there needs --vouch before that."
        out().print(safe(f"waiting there for a promoter: {_named(waiting)}"), style="yellow", markup=False)
        out().print(safe(cure), style="dim", markup=False)


def _named(found: Sequence[NotBelieved | Waits]) -> str:
    shown = ", ".join(_version(one) + (f" ({one.reason})" if one.reason else "") for one in found[:_SHOWN])
    return shown + (f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else "")


def _version(one: NotBelieved | Waits) -> str:
    name = one.name if one.namespace == "local" else f"{one.namespace}/{one.name}"
    return f"{name}@{one.number}"


def _believed_json(arrivals: Arrivals | str) -> dict[str, Any]:
    if isinstance(arrivals, str):
        return {"vouched": 0, "not_believed": None, "waiting": None}
    doubted, waiting = _versions_json(arrivals.not_believed), _versions_json(arrivals.waiting)
    return {"vouched": arrivals.vouched, "not_believed": doubted, "waiting": waiting}


def _versions_json(found: Sequence[NotBelieved | Waits]) -> list[dict[str, Any]]:
    return [
        {
            "namespace": one.namespace,
            "name": one.name,
            "version": one.number,
            "reason": one.reason,
            "detail": one.detail,
        }
        for one in found
    ]


def _left_json(left: list[Left]) -> list[dict[str, Any]]:
    return [
        {
            "namespace": one.namespace,
            "name": one.name,
            "version": one.number,
            "reason": one.reason,
            "detail": one.detail,
        }
        for one in left
    ]


@click.command()
@_STORE
@home_options
def verify(store: str | None, **options: Any) -> None:
    """Hold the shelf against itself: digest, signature, state, pointer, list entry, blob and lock. Changes nothing.

    Each finding comes with its cure; what is broken makes the exit code 1, leftovers do not.
    """
    from toolwright.shelfcare.verifying import Looked, verify
    from toolwright.shelves import trust_at

    looked, found = Looked(), []
    with _shelf(store, options) as (shelf, place, say):
        for one in verify(shelf, trust_at(_settings(options), shelf, store), say, looked):
            found.append(one)
            if not options["as_json"]:
                _tell_finding(one)
    broken = sum(one.severity == "broken" for one in found)
    if options["as_json"]:
        findings = [{"severity": one.severity, "where": one.where, "what": one.what, "cure": one.cure} for one in found]
        body = {"type": "verified", "store": place, "names": looked.names, "versions": looked.versions}
        print_json({**body, "sound": not broken, "findings": findings})
    else:
        rest = f", {counted(len(found) - broken, 'leftover')}" if len(found) > broken else ""
        words = f"{broken} broken{rest}" if found else "all sound"
        out().print(f"{_counts(looked.versions, looked.names)}: {words}", markup=False)
    sys.exit(1 if broken else 0)


def _counts(versions: int, names: int) -> str:
    return f"{counted(versions, 'version')} of {counted(names, 'tool')}"


def _tell_finding(one: Finding) -> None:
    style = "red" if one.severity == "broken" else "dim"
    out().print(safe(f"{one.severity:<8}  {one.where}: {one.what}"), style=style, markup=False)
    out().print(safe(f"          {one.cure}"), style="dim", markup=False)


@click.command()
@_STORE
@_DAYS
@home_options
def gc(store: str | None, days: float, **options: Any) -> None:
    """Clear away what unfinished writes left: temporary files, half versions, list entries, blobs of a shared shelf.

    No version is touched, whatever its state. A blob on which no version stands is marked first, and none is placed
    on it from then on; a `gc` that comes --days later removes it.
    """
    with _shelf(store, options) as (shelf, place, _):
        done = shelf.collect(days * 86400)
    if options["as_json"]:
        print_json({"type": "collected", "store": place, "marked": done.marked, "removed": done.removed})
        return
    for word, places in (("marked", done.marked), ("removed", done.removed)):
        for one in places:
            out().print(safe(f"{word} {one}"), style="dim", markup=False)
    out().print(f"marked {len(done.marked)}, removed {len(done.removed)}", markup=False)
    if done.marked:
        wait = "a day" if days == 1 else f"{days:g} days"
        out().print(f"What is marked is removed by a `registry gc` in {wait}.", style="dim", markup=False)


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@_STORE
@home_options
def backup(file: Path, store: str | None, **options: Any) -> None:
    """Write the whole shelf into one FILE, a tar with the sha256 of each part; `restore --from FILE` reads it.

    The same shelf gives the same bytes. Runs, costs, approvals and settings of a home are not in it.
    """
    from toolwright.shelfcare.copying import sound_only
    from toolwright.store.archive import write_archive

    left: list[Left] = []
    count = [0, 0]
    with _shelf(store, options) as (shelf, place, say):

        def names() -> Iterator[Any]:
            for one in sound_only(shelf, left, say):
                count[0], count[1] = count[0] + 1, count[1] + len(one.versions)
                yield one

        digest = write_archive(file, names())
    if options["as_json"]:
        body = {"type": "backup", "store": place, "file": str(file), "sha256": digest}
        print_json({**body, "names": count[0], "versions": count[1], "left": _left_json(left)})
    else:
        _tell_left(left)
        out().print(safe(f"kept {_counts(count[1], count[0])} in {file} (sha256 {digest})"), markup=False)
    sys.exit(1 if left else 0)


def restore_from(file: Path, store: str | None, vouch: bool, options: dict[str, Any]) -> None:
    """Put on the shelf what it lacks of the backup *file*, after all of that was checked; ends the command."""
    from toolwright.shelfcare.verifying import refuse_unless_sound
    from toolwright.store.archive import Archive

    with closing(Archive(file)) as archive:
        with working("the backup is checked") as say:
            refuse_unless_sound(archive, say)
        with (
            _shelf(store, options, new=True) as (shelf, place, _),
            _arrivals(_settings(options), shelf, place, (str(file), None) if vouch else None) as arrivals,
        ):
            report = _copied(archive, shelf, arrivals)
    _tell_copy(report, arrivals, str(file), place, options["as_json"])


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.argument("names", nargs=-1, shell_complete=complete_tool)
@_STORE
@home_options
def export(folder: Path, names: tuple[str, ...], store: str | None, **options: Any) -> None:
    """Write each tool in force (or those with NAMES) into the folder DIR, as one plain PEP 723 file NAME.py.

    `toolwright import DIR` takes such a folder onto a shelf, each file through the validator.
    """
    from toolwright.shelfcare.exporting import export

    with _shelf(store, options) as (shelf, _, say):
        done = export(shelf, folder, _settings(options).namespace, names, say)
    if options["as_json"]:

        def files(pairs: list[tuple[str, str]], key: str) -> list[dict[str, str]]:
            return [{"version": version, key: text} for version, text in pairs]

        body = {"type": "exported", "folder": str(folder), "written": files(done.written, "file")}
        print_json({**body, "there": files(done.there, "file"), "left": files(done.left, "detail")})
    else:
        for version, why in done.left:
            out().print(safe(f"left {version}  {why}"), style="yellow", markup=False)
        there = f", there already {len(done.there)}" if done.there else ""
        out().print(f"wrote {len(done.written)}{there}, left {len(done.left)}", markup=False)
    sys.exit(1 if done.left else 0)


def _settings(options: dict[str, Any]) -> Settings:
    from toolwright.settings import load

    return load(options["home"])


@contextmanager
def _shelf(
    store: str | None, options: dict[str, Any], *, new: bool = False
) -> Iterator[tuple[Wholes, str, Callable[[str], None]]]:
    """The shelf that is named, or that of the settings; its name; and a way to say what is being looked at."""
    from toolwright.shelves import shelf_at

    settings = _settings(options)
    own = str(settings.home) if settings.store == "files" else settings.store
    # A home that was never used has an empty shelf, and none that is missing.
    with closing(shelf_at(settings, store, new=new or store is None)) as shelf, working("the shelf is read") as say:
        yield shelf, store or own, say
