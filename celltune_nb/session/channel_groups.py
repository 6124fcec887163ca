"""Groups of channels that a person keeps, shows and shares: kept in ``project.json``.

Those that the table of cell types names (its columns ``Channel_1`` …) are on offer beside them, a group for each type.
They follow the table and are not kept until somebody says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..data.channel_groups import ChannelGroup, GroupedChannel
from ..errors import InputError, NotReadyError
from .celltypes import CellTypes
from .checks import number, texts
from .committing import committing
from .drafting import check_color
from .events import ViewChanged
from .recording import note
from .view import CHANNEL_COLORS, ChannelView, View

if TYPE_CHECKING:
    from .session import Session

__all__ = ["ChannelGroups", "keep", "keep_offered", "remove", "rename", "show"]

_SETTING = "channel_groups"
#: More than anybody switches between; a damaged or made-up file ends here.
MOST = 1_000


class ChannelGroups(Mapping[str, ChannelGroup]):
    """The groups of channels by name, in the order in which they were kept.

    ``offered`` are those that the table of cell types names, ``shown`` is the one that the picture shows now.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def __getitem__(self, name: str) -> ChannelGroup:
        found = self.kept().get(name) if isinstance(name, str) else None
        if found is None:
            there = ", ".join(self)
            raise NotReadyError(
                f"There is no channel group {name!r}. "
                + (f"There are: {there}." if there else "Make one: session.keep_channel_group(name).")
            )
        return found

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self.kept()

    def __iter__(self) -> Iterator[str]:
        return iter(self.kept())

    def __len__(self) -> int:
        return len(self.kept())

    def __repr__(self) -> str:
        return f"ChannelGroups({', '.join(self) or 'none yet'})"

    def kept(self) -> dict[str, ChannelGroup]:
        """All groups that are kept; rows of ``project.json`` that are none are left out."""
        stored = self._session.project.settings.get(_SETTING)
        found: dict[str, ChannelGroup] = {}
        for row in stored[:MOST] if isinstance(stored, list) else []:
            try:
                group = ChannelGroup.from_json(row)
            except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
                continue  # edited by hand; the others are still good
            found[group.name] = group
        return found

    @property
    def offered(self) -> dict[str, ChannelGroup]:
        """A group for each cell type of the table of cell types whose channels are there; without contrast of its own."""
        session = self._session
        known = {c.name.casefold(): c for c in session.view.channels}
        found = {}
        for name, kind in CellTypes(session).items():
            named = dict.fromkeys(c.casefold() for c in kind.channels if c.casefold() in known)
            if named:
                found[name] = ChannelGroup(name, _apart([known[c] for c in named]))
        return found

    @property
    def shown(self) -> str | None:
        """The kept group that the picture shows exactly, else one on offer, or None."""
        for groups in (self.kept(), self.offered):
            for name, group in groups.items():
                if self.shows(group):
                    return name
        return None

    def shows(self, group: ChannelGroup) -> bool:
        """Whether the picture shows the channels of a group, in its colours and contrast, and no others."""
        wanted = {c.name: c for c in group.channels}
        here = [c for c in self._session.view.channels if c.name in wanted]
        visible = [c.name for c in self._session.view.channels if c.visible]
        return bool(here) and visible == [c.name for c in here] and all(
            c.color.casefold() == wanted[c.name].color.casefold()
            and (wanted[c.name].low is None or (c.low, c.high) == (wanted[c.name].low, wanted[c.name].high))
            for c in here
        )  # fmt: skip


def _apart(channels: Sequence[ChannelView]) -> tuple[GroupedChannel, ...]:
    """Channels in the colours they have; of two alike the later takes a free one."""
    found: list[GroupedChannel] = []
    for channel in channels:
        taken = {c.color.casefold() for c in found}
        color = channel.color
        if color.casefold() in taken:
            color = next((c for c in CHANNEL_COLORS if c.casefold() not in taken), color)
        found.append(GroupedChannel(channel.name, color))
    return tuple(found)


def keep(session: Session, name: Any, channels: Any) -> ChannelGroup:
    """See :meth:`celltune_nb.Session.keep_channel_group`."""
    group = ChannelGroup(_name(name), _channels(session, channels))
    with session.writing():
        _store(session, {**session.channel_groups.kept(), group.name: group})
    # What is shown at the time is not part of a script, so the note says all of it.
    note(
        session,
        "keep_channel_group",
        {
            "name": group.name,
            "channels": {
                c["name"]: {k: v for k, v in c.items() if k != "name"} for c in group.to_json()["channels"]
            },
        },
    )
    _tell(session)
    return group


def keep_offered(session: Session, types: Any) -> list[str]:
    """See :meth:`celltune_nb.Session.keep_offered_channel_groups`."""
    offered = session.channel_groups.offered
    if not offered:
        raise NotReadyError(
            "No cell type names channels of this project. Bring a table with the columns Channel_1 to Channel_3: "
            "session.import_celltypes(path)."
        )
    names = list(offered) if types is None else list(texts(types, "The cell types"))
    for name in names:
        if name not in offered:
            raise InputError(f"No channels are on offer for {name!r}. There are: {', '.join(offered)}.")
    new = [name for name in names if name not in session.channel_groups]
    with session.writing():
        _store(session, {**session.channel_groups.kept(), **{name: offered[name] for name in new}})
    _tell(session)
    return new


def show(session: Session, name: Any) -> View:
    """See :meth:`celltune_nb.Session.show_channel_group`."""
    groups = session.channel_groups
    group = groups.offered.get(name) if isinstance(name, str) and name not in groups else None
    group = group or groups[name]
    wanted = {c.name: c for c in group.channels}
    if not any(c.name in wanted for c in session.view.channels):
        raise NotReadyError(
            f"None of the channels of group {group.name!r} ({group.sentence}) is there. Keep it anew from what is shown."
        )
    rows = []
    for channel in session.view.channels:
        one = wanted.get(channel.name)
        if one is None:
            rows.append(replace(channel, visible=False))
            continue
        low, high = (
            (channel.low, channel.high) if one.low is None or one.high is None else (one.low, one.high)
        )
        rows.append(replace(channel, color=one.color, low=low, high=high, visible=True))
    return session.set_view(channels=tuple(rows))


def rename(session: Session, old: Any, new: Any) -> ChannelGroup:
    """See :meth:`celltune_nb.Session.rename_channel_group`."""
    with session.writing():
        group = session.channel_groups[old]
        renamed = replace(group, name=_name(new))
        if renamed.name != group.name and renamed.name in session.channel_groups:
            raise InputError(f"There is a channel group {renamed.name!r} already. Choose another name.")
        kept = session.channel_groups.kept()
        _store(session, {n: renamed if n == group.name else g for n, g in kept.items()})
    _tell(session)
    return renamed


def remove(session: Session, name: Any) -> None:
    """See :meth:`celltune_nb.Session.remove_channel_group`."""
    with session.writing():
        group = session.channel_groups[name]
        _store(session, {n: g for n, g in session.channel_groups.kept().items() if n != group.name})
    _tell(session)


def _name(name: Any) -> str:
    text = name.strip() if isinstance(name, str) else ""
    if not text or len(text) > 60 or not text.isprintable():
        raise InputError("A channel group needs a name of 1 to 60 printable characters. Choose another.")
    return text


def _channels(session: Session, channels: Any) -> tuple[GroupedChannel, ...]:
    """The channels of a group as they were given; None: those that are shown now."""
    known = {c.name: c for c in session.view.channels}
    if not known:
        raise NotReadyError("There is no channel yet. Add an image first: session.add_image().")
    if channels is None:
        shown = [c for c in known.values() if c.visible]
        if not shown:
            raise InputError("No channel is shown. Show some, then keep them as a group.")
        return tuple(GroupedChannel(c.name, c.color, c.low, c.high) for c in shown)
    given = channels if isinstance(channels, Mapping) else dict.fromkeys(texts(channels, "The channels"))
    if not given:
        raise InputError(
            "No channel was given. Name some, or leave channels= out to keep those that are shown."
        )
    found = []
    for name, how in given.items():
        if name not in known:
            raise InputError(f"There is no channel {name!r}. Channels: {', '.join(known)}.")
        found.append(_given(known[name], how))
    return tuple(found)


def _given(channel: ChannelView, how: Any) -> GroupedChannel:
    how = how if isinstance(how, Mapping) else {} if how is None else {"color": how}
    if not how.keys() <= {"color", "low", "high"}:
        raise InputError(
            f"A channel of a group has a color, low and high, not {min(map(str, how.keys() - {'color', 'low', 'high'}))!r}."
        )
    color = check_color(how.get("color", channel.color))
    low, high = (
        number(how.get(side, getattr(channel, side)), f"The {side} limit") for side in ("low", "high")
    )
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise InputError(
            f"The limits of {channel.name!r} are {low:g} and {high:g}. The lower one has to be below."
        )
    return GroupedChannel(channel.name, color, low, high)


def _store(session: Session, groups: Mapping[str, ChannelGroup]) -> None:
    if len(groups) > MOST:
        raise InputError(f"{MOST:,} channel groups are the most that a project keeps. Remove some.")
    with committing(session) as project:
        project.settings[_SETTING] = [group.to_json() for group in groups.values()]
        project.save()


def _tell(session: Session) -> None:
    # Not items_changed: nothing that is measured or counted depends on it.
    session.emit(session.view_changed, ViewChanged(frozenset({"channel_groups"}), session.view))
