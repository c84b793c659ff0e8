"""What a patch did, path by path, for whoever has to approve it."""

from collections.abc import Mapping
from dataclasses import dataclass

from jarvis.patch import dangers
from jarvis.patch.headers import Section
from jarvis.patch.trees import Entry, View


@dataclass(frozen=True, slots=True)
class Touched:
    """One path that differs afterwards."""

    path: str
    old_path: str | None
    """Where it was renamed or copied from."""
    kind: str
    """added, changed, deleted, renamed or copied."""
    added_lines: int
    removed_lines: int
    mode_before: int
    """0 where nothing was."""
    mode_after: int
    """0 where nothing is."""
    is_binary: bool
    flags: tuple[str, ...]
    """Why to look twice at it: see dangers.flags."""

    def as_json(self) -> dict[str, object]:
        """As a report holds it."""
        return {
            "path": self.path,
            "old_path": self.old_path,
            "kind": self.kind,
            "added_lines": self.added_lines,
            "removed_lines": self.removed_lines,
            "mode_before": f"{self.mode_before:06o}",
            "mode_after": f"{self.mode_after:06o}",
            "is_binary": self.is_binary,
            "flags": list(self.flags),
        }


def touched(view: View, changes: Mapping[bytes, Entry | None], sections: list[Section]) -> tuple[Touched, ...]:
    """Every path that differs from the baseline, sorted; what a rename took away is told with where it went."""
    told = {path: [s for s in sections if path in (s.new_name, s.old_name)] for path in changes}
    moved = {s.old_name for s in sections if s.is_rename and changes.get(s.old_name or b"") is None}
    found = []
    for path in sorted(changes):
        before, after = view.file(path), changes[path]
        if before != after and not (after is None and path in moved):
            found.append(_touched(view, path, before, after, told[path]))
    return tuple(found)


def _touched(view: View, path: bytes, before: Entry | None, after: Entry | None, told: list[Section]) -> Touched:
    ours = [s for s in told if path == s.new_name or (s.new_name is None and path == s.old_name)]
    source = next((s for s in ours if (s.is_rename or s.is_copy) and s.old_name != path), None)
    old_path = source.old_name if source is not None and before is None else None
    origin = view.file(old_path) if old_path is not None else before
    mode_before, mode_after = origin.mode if origin else 0, after.mode if after else 0
    text = path.decode()
    looks = dangers.flags(text, mode_before, mode_after)
    if old_path is not None and source is not None and source.is_rename:
        looks = tuple(dict.fromkeys((*looks, *dangers.flags(old_path.decode(), 0, 0))))
    return Touched(
        text,
        old_path.decode() if old_path is not None else None,
        _kind(before, after, source if old_path is not None else None),
        sum(h.added for s in ours for h in s.hunks),
        sum(h.removed for s in ours for h in s.hunks),
        mode_before,
        mode_after,
        any(s.is_binary for s in ours),
        looks,
    )


def _kind(before: Entry | None, after: Entry | None, source: Section | None) -> str:
    if after is None:
        return "deleted"
    if source is not None:
        return "renamed" if source.is_rename else "copied"
    return "added" if before is None else "changed"
