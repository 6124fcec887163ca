"""Verbs that keep and show groups of channels."""

from __future__ import annotations

from typing import Any

from ...data.channel_groups import ChannelGroup
from .. import channel_groups as groups
from ..view import View
from .base import Verbs

__all__ = ["Channels"]


class Channels(Verbs):
    """Groups of channels: which are shown together, in which colour and contrast."""

    @property
    def channel_groups(self) -> groups.ChannelGroups:
        """The groups of channels by name; ``.offered`` has one for each type of the table of cell types, ``.shown`` is
        the name of the one that the picture shows now.
        """
        return groups.ChannelGroups(self._session)

    def keep_channel_group(self, name: str, channels: Any = None) -> ChannelGroup:
        """Keep channels as a group, with their colours and contrast; one of this name is replaced.

        Parameters
        ----------
        name : str
            For example ``"T cells"``.
        channels : sequence or mapping, optional
            By default the channels that are shown now.  Names (``["CD3", "DAPI"]``), names with a colour
            (``{"CD3": "#34C759"}``), or with colour and limits
            (``{"CD3": {"color": "#34C759", "low": 0, "high": 900}}``); what is left out is as it is now.

        Raises
        ------
        InputError
            For an unknown channel, a colour or limits that are none; nothing is changed then.
        """
        return groups.keep(self._session, name, channels)

    def keep_offered_channel_groups(self, types: Any = None) -> list[str]:
        """Keep the groups that the table of cell types names (of some types); returns the names of the new ones.

        A group that is kept under a type's name already stays as it is.
        """
        return groups.keep_offered(self._session, types)

    def show_channel_group(self, name: str) -> View:
        """Show the channels of a group, kept or on offer, in its colours and contrast, and hide all others.

        Channels of the group that this project does not have are passed over.
        """
        return groups.show(self._session, name)

    def rename_channel_group(self, old: str, new: str) -> ChannelGroup:
        """Call a group of channels by another name."""
        return groups.rename(self._session, old, new)

    def remove_channel_group(self, name: str) -> None:
        """Remove a group of channels; the channels stay as they are shown."""
        groups.remove(self._session, name)
