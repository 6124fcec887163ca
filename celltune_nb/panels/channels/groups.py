"""Groups of channels above the list of them: shown with one click, kept, updated, renamed, removed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from celltune_nb.data.channel_groups import ChannelGroup
from celltune_nb.panels.panel import Panel
from celltune_nb.panels.theme import Live, Markup, tag
from celltune_nb.session import Session
from celltune_nb.session.events import ViewChanged

__all__ = ["ChannelGroupsPanel"]

#: Colours drawn in a group's button; more would leave no room for its name.
DOTS = 4


class ChannelGroupsPanel(Panel):
    """Buttons that each show a group of channels, and what is done with the one shown last.

    Parameters
    ----------
    session : Session
    shown : callable, optional
        Called after a group was shown.

    Attributes
    ----------
    active : str or None
        The group shown last: the one to update, rename or remove.
    """

    def __init__(self, session: Session, shown: Callable[[], object] | None = None) -> None:
        super().__init__(session)
        self._shown = shown
        self.active: str | None = None
        self._making = self._editing = False
        self._fields = 0
        self._live = Live()
        verbs: dict[str, Callable[..., Any]] = {
            "show": self.show, "new": self._new, "keep": self._keep, "update": self.update, "edit": self._edit,
            "rename": self._rename, "remove": self.remove, "keep_all": self.keep_offered,
        }  # fmt: skip
        self.hear(self._live, verbs)
        self.widget = self._live
        self._message.layout.display = "none"
        self.listen(session.view_changed, self._view_changed)
        for signal in (session.items_changed, session.categories_changed, session.access_changed):
            self.listen(signal, self._show)
        self._show()

    def say(self, text: str, kind: Any = "info") -> None:
        """Put a sentence below the groups; an empty one takes the line away."""
        super().say(text, kind)
        self._message.layout.display = None if text else "none"

    # ------------------------------------------------------------------ verbs

    def show(self, name: str) -> None:
        """Show the channels of a group, and no others."""
        self.session.show_channel_group(name)
        self.active, self._editing = name, False
        self._show()
        if self._shown is not None:
            self._shown()

    def keep(self, name: str) -> None:
        """Keep the channels that are shown now as a group."""
        before = name.strip() in self.session.channel_groups
        group = self.session.keep_channel_group(name)
        self.active, self._making = group.name, False
        self._fields += 1
        self._show()
        self.say(f"{group.name} {'updated' if before else 'kept'}: {group.sentence}.", "good")

    def update(self) -> None:
        """Let the group shown last be what is shown now."""
        if self.active is not None:
            self.keep(self.active)

    def rename(self, new: str) -> None:
        """Call the group shown last by another name."""
        if self.active is None:
            return
        try:
            self.active = self.session.rename_channel_group(self.active, new).name
            self._editing = False
        finally:
            self._fields += 1  # the field shows the name that counts, also when the new one was refused
            self._show()

    def remove(self) -> None:
        """Remove the group shown last; the channels stay as they are shown."""
        if self.active is not None:
            name, self.active, self._editing = self.active, None, False
            self.session.remove_channel_group(name)
            self.say(f"Group {name} removed; the channels stay as they are.")

    def keep_offered(self) -> None:
        """Keep a group for every cell type whose channels the table names."""
        names = self.session.keep_offered_channel_groups()
        self.say(f"{len(names)} group{'' if len(names) == 1 else 's'} kept.", "good")

    def _new(self) -> None:
        self._making, self._editing = not self._making, False
        self._show()

    def _edit(self) -> None:
        self._editing, self._making = not self._editing, False
        self._show()

    def _keep(self, _what: str, name: Any) -> None:
        if str(name or "").strip():
            self.keep(str(name))

    def _rename(self, _what: str, name: Any) -> None:
        if str(name or "").strip() != self.active:
            self.rename(str(name or ""))

    # ------------------------------------------------------------------ what is shown

    def _view_changed(self, event: ViewChanged) -> None:
        if event.fields & {"channels", "channel_groups", "image"}:
            self._show()

    def _show(self) -> None:
        session = self.session
        groups = session.channel_groups
        kept, offered = groups.kept(), groups.offered
        shown = groups.shown
        if shown is not None:
            self.active = shown
        elif self.active not in kept and self.active not in offered:
            self.active = None
        image = session.images.get(session.view.image or "")
        with self.showing:
            if image is None or image.is_rgb or len(session.view.channels) < 2:
                self._live.html = ""
            else:
                self._live.html = self._page(kept, {n: g for n, g in offered.items() if n not in kept}, shown)

    def _page(
        self, kept: Mapping[str, ChannelGroup], offered: Mapping[str, ChannelGroup], shown: str | None
    ) -> Markup:
        locked = self.session.access.reason if self.session.read_only else ""
        new = tag(
            "button", "+ Group" if not kept else "+", cls="ct-button ct-small-button ct-quiet", do="new", disabled=bool(locked),
            title=locked or "Keep the channels shown now, with their colours and contrast, as a group",
            aria_label="Keep the channels shown now as a group", aria_expanded="true" if self._making else "false",
        )  # fmt: skip
        parts = [
            tag("div", [self._chip(g, shown) for g in kept.values()], new, cls="ct-chips", role="group",
                aria_label="Groups of channels"),
        ]  # fmt: skip
        if self._making:
            parts.append(
                tag("div", tag("input", type="text", do="keep", on="enter", reset=self._fields, focus=True, maxlength=60,
                               placeholder="Name, then Enter", aria_label="Name of the new group", cls="ct-grow"),
                    cls="ct-line", row="new")
            )  # fmt: skip
        if self.active in kept and not locked:
            parts.append(self._chosen(self.active or "", shown))
        if offered:
            parts.append(
                tag("details",
                    tag("summary", f"{len(offered)} from cell types",
                        title="The channels that the table of cell types names for each type"),
                    tag("div", [self._chip(g, shown) for g in offered.values()], cls="ct-chips"),
                    tag("button", "Keep all", cls="ct-button ct-small-button", do="keep_all", disabled=bool(locked),
                        title="Keep these groups, to change their colours and contrast"), row="offered")
            )  # fmt: skip
        return tag("div", parts, cls="ct-chgroups")

    def _chip(self, group: ChannelGroup, shown: str | None) -> Markup:
        here = group.name == self.active
        changed = " (changed since)" if here and shown != group.name else ""
        return tag(
            "button",
            tag("span", [tag("i", style=f"background:{c.color}") for c in group.channels[:DOTS]], cls="ct-dots",
                aria_hidden="true"),
            tag("span", group.name + ("*" if changed else ""), cls="ct-cut"),
            cls="ct-chip", do="show", what=group.name, aria_pressed="true" if here else "false",
            title=f"Show {group.sentence}, and no other channel{changed}", row=group.name,
        )  # fmt: skip

    def _chosen(self, name: str, shown: str | None) -> Markup:
        if self._editing:
            return tag(
                "div",
                tag("input", type="text", value=name, do="rename", reset=self._fields, maxlength=60, aria_label="Rename the group",
                    focus=True, cls="ct-grow"),
                tag("button", "Remove", cls="ct-button ct-small-button ct-danger", do="remove",
                    title="Remove the group; the channels stay as they are shown"),
                tag("button", "Close", cls="ct-button ct-small-button ct-quiet", do="edit"),
                cls="ct-line ct-tight", row="chosen",
            )  # fmt: skip
        return tag(
            "div",
            tag("button", "Update", cls="ct-button ct-small-button", do="update", disabled=shown == name,
                title=f"Let {name} be what is shown now: channels, colours, contrast" if shown != name
                else f"{name} is what is shown now"),
            tag("button", "Rename …", cls="ct-button ct-small-button ct-quiet", do="edit", title=f"Rename or remove {name}"),
            cls="ct-line ct-tight", row="chosen",
        )  # fmt: skip
