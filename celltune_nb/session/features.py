"""``session.features``: the active feature source, and the others by name."""

from __future__ import annotations

from collections.abc import Sequence
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

    def use(self, source: str | None = None, features: Sequence[str] | None = None) -> FeatureSource:
        """Choose the source, and those of its features, that models learn from.

        Parameters
        ----------
        source : str, optional
            By default the active one.
        features : sequence of str, optional
            Names of features or of feature groups; all when empty.
        """
        from dataclasses import replace

        session = self._session
        chosen = session.active_features() if source is None else self[source]
        if features is not None:
            names: list[str] = []
            for name in texts(features, "The features"):
                if name not in chosen.groups and name not in chosen.names:
                    raise InputError(
                        f"There is no feature or feature group {name!r}. Groups: {', '.join(chosen.groups)}."
                    )
                names += chosen.groups.get(name, [name])
            wanted = set(names)
            chosen = replace(chosen, used=[n for n in chosen.names if n in wanted] or list(chosen.names))
        with committing(session) as project:
            if features is not None:
                project.save_feature_schema(chosen)
            project.settings["features"] = chosen.name
            project.save()
            session.features_by_name[chosen.name] = chosen
            note(session, "features.use", {"source": source, "features": features})
        session.changed_items("features")
        return chosen
