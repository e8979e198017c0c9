"""Exposition: a page with only some names, as `?name[]=` asks for."""

import re
from collections.abc import Collection, Iterable
from dataclasses import replace

from labkit.sidecar.exposition import Family, page

# What a line is about: its sample's name, or the name after "# HELP " and "# TYPE ".
_NAME = re.compile(rb"(?:# (?:HELP|TYPE) )?([^{ ]+)")


def select(families: Iterable[Family], names: Collection[str]) -> bytes:
    """Return the page with the samples of these names; a histogram's name stands for its buckets and counts."""
    return b"".join(_filtered(family, names) for family in families if not set(names).isdisjoint(family.names))


def _filtered(family: Family, names: Collection[str]) -> bytes:
    kept = _kept(family, names)
    # Copied in one step of the interpreter: other threads may add series meanwhile.
    text = b"".join(page([replace(family, lines=dict(family.lines))]))
    # Not with splitlines: a label value may have a carriage return.
    return b"".join(b"%b\n" % line for line in text.split(b"\n") if _name(line) in kept)


def _kept(family: Family, names: Collection[str]) -> set[bytes]:
    """Return the names to keep: those of samples, and that of the family for its HELP and TYPE."""
    kept, own = {*names}, {family.name} | family.sample_names
    if family.name in kept:
        kept |= own
    elif kept & own:
        kept.add(family.name)
    return {name.encode() for name in kept}


def _name(line: bytes) -> bytes:
    found = _NAME.match(line)
    return found[1] if found else b""
