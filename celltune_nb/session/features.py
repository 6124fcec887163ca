"""``session.features``: the active feature source, and the others by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..data.features import FeatureSource
from ..errors import InputError
from .checks import texts
from .committing import committing
from .recording import note

if TYPE_CHECKING:
    from .session import Session

__all__ = ["Features"]


class Features:
    """The active feature source, and the others by name.

    ``session.features.names`` and whatever else a
    :class:`~celltune_nb.data.features.FeatureSource` has speaks of the active source;
    ``session.features["table"]`` is another.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def __getitem__(self, name: str) -> FeatureSource:
        sources = self._session.features_by_name
        if not isinstance(name, str) or name not in sources:
            raise InputError(
                f"There is no feature source {name!r}. There are: {', '.join(sources) or 'none yet'}."
            )
        return sources[name]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session.active_features(), name)

    def __len__(self) -> int:
        return len(self._session.active_features())

    def __contains__(self, name: object) -> bool:
        return name in self._session.features_by_name

    def __repr__(self) -> str:
        return f"Features({', '.join(map(repr, self._session.features_by_name.values())) or 'none yet'})"

    @property
    def sources(self) -> list[str]:
        """Names of the sources there are."""
        return list(self._session.features_by_name)

    @property
    def groups(self) -> dict[str, list[str]]:
        """The named groups of the active source."""
        return {name: list(members) for name, members in self._session.active_features().groups.items()}

    def use(
        self, source: str | Sequence[str] | None = None, features: str | Sequence[str] | None = None
    ) -> FeatureSource:
        """Choose the source, and those of its features, that models learn from.

        Parameters
        ----------
        source : str, optional
            By default the active one; a group's name, or names of features and groups, are taken as *features*.
        features : str or sequence of str, optional
            Names of features or of feature groups; all when empty.
        """
        session = self._session
        if source is not None and features is None and (not isinstance(source, str) or source not in self):
            source, features = None, source
        if source is not None and not isinstance(source, str):
            raise InputError(
                f"{source!r} is no feature source. There are: {', '.join(self.sources) or 'none yet'}."
            )
        chosen = session.active_features() if source is None else self[source]
        if features is not None:
            wanted = set(self._named(chosen, features))
            chosen = replace(chosen, used=[n for n in chosen.names if n in wanted] or list(chosen.names))
        return self._keep(chosen, "use", {"source": source, "features": features}, active=True)

    def switch(self, features: str | Sequence[str], on: bool = True) -> FeatureSource:
        """Let models learn from some features or groups, or not, and leave all others as they are."""
        source = self._session.active_features()
        named = set(self._named(source, features))
        used = set(source.used or source.names)
        used = used | named if on else used - named
        if not used:
            raise InputError("Models need a feature to learn from. Leave at least one switched on.")
        chosen = replace(source, used=[n for n in source.names if n in used])
        return self._keep(chosen, "switch", {"features": features, "on": bool(on)})

    def set_group(self, name: str, features: str | Sequence[str] | None) -> FeatureSource:
        """Make a group of features of the active source, in place of one of the same name; None removes the group.

        Parameters
        ----------
        name : str
        features : str or sequence of str, or None
            Names of features, or of other groups.
        """
        source = self._session.active_features()
        if not isinstance(name, str) or not name.strip() or len(name) > 80 or not name.isprintable():
            raise InputError("A feature group needs a name of 1 to 80 printable characters. Choose another.")
        name = name.strip()
        if name in source.names:
            raise InputError(f"{name!r} is a feature. Give the group another name.")
        groups = {group: members for group, members in source.groups.items() if group != name}
        if features is None:
            if name not in source.groups:
                raise InputError(f"There is no feature group {name!r}. Groups: {', '.join(source.groups)}.")
        else:
            wanted = set(self._named(source, features))
            if not wanted:
                raise InputError("No feature was named. Name at least one.")
            groups[name] = [n for n in source.names if n in wanted]
        return self._keep(replace(source, groups=groups), "set_group", {"name": name, "features": features})

    def _named(self, source: FeatureSource, features: Any) -> list[str]:
        names: list[str] = []
        known = set(source.names)
        for name in texts(features, "The features"):
            if name not in source.groups and name not in known:
                raise InputError(
                    f"There is no feature or feature group {name!r}. Groups: {', '.join(source.groups)}."
                )
            names += source.groups.get(name, [name])
        return names

    def _keep(
        self, chosen: FeatureSource, verb: str, arguments: dict[str, Any], *, active: bool = False
    ) -> FeatureSource:
        session = self._session
        with committing(session) as project:
            if chosen is not session.features_by_name.get(chosen.name):
                project.save_feature_schema(chosen)
            if active:
                project.settings["features"] = chosen.name
                project.save()
            session.features_by_name[chosen.name] = chosen
            note(session, f"features.{verb}", arguments)
        session.changed_items("features")
        return chosen
