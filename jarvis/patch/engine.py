"""Applies the sections of a patch to a tree, in git's order and with git's verdict; writes nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from dulwich.objects import Blob, ShaFile

from jarvis.patch import binary, dangers
from jarvis.patch.headers import Section
from jarvis.patch.parse import parse
from jarvis.patch.placement import Image
from jarvis.patch.refusal import USUAL, Limits, PatchRefused, Why, shown
from jarvis.patch.report import Touched, touched
from jarvis.patch.trees import FILE, KIND, LINK, SUBMODULE, Entry, Objects, View, canonical, rebuild

NO_OBJECT = b"0" * 40


@dataclass(frozen=True, slots=True)
class Applied:
    """What comes of a patch."""

    tree_id: bytes
    """In hex, as dulwich has it."""
    files: tuple[Touched, ...]
    new_objects: list[ShaFile]
    """The files and trees that were made; a tree's own come before it."""
    notes: tuple[str, ...]
    """What git would warn of."""


def apply(patch: bytes, tree_id: bytes, objects: Objects, limits: Limits = USUAL) -> Applied:
    """The tree that `git apply --cached` would make of tree_id; raises PatchRefused where git, or Jarvis, would not."""
    sections = parse(patch, limits)
    return _Run(View(tree_id, objects), limits, sections).apply()


class Fate(Enum):
    """What is known of a path that no longer, or soon not, is what the baseline says."""

    GOES = "to be deleted by a later section"
    GONE = "deleted or renamed by an earlier one"


@dataclass(slots=True)
class Result:
    """What a section leaves at its new name."""

    mode: int
    content: bytes


@dataclass
class _Run:
    """One patch on its way through one tree."""

    view: View
    limits: Limits
    sections: list[Section]
    known: dict[bytes, Fate | Result] = field(default_factory=dict)
    results: list[Result] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    bytes_left: int = 0

    def apply(self) -> Applied:
        self.bytes_left = self.limits.total_bytes
        for section in self.sections:
            for name in {section.old_name, section.new_name} - {None}:
                dangers.require_name(name or b"", self.limits, section.line)
            if section.old_name is not None and (section.new_name is None or section.is_rename):
                self.known[section.old_name] = Fate.GOES
        links_gone, links_made = self._links()
        for section in self.sections:
            self._check(section, links_gone, links_made)
        return self._build()

    def _links(self) -> tuple[set[bytes], set[bytes]]:
        """Paths at which the patch says that it removes, and that it leaves, a symbolic link."""
        gone = {
            s.old_name for s in self.sections if s.old_name and is_link(s.old_mode) and (s.is_rename or s.is_delete)
        }
        return gone, {s.new_name for s in self.sections if s.new_name and is_link(s.new_mode)}

    def _check(self, section: Section, links_gone: set[bytes], links_made: set[bytes]) -> None:
        before = self._before(section)
        self._settle_target(section)
        if section.new_name is not None and not section.is_delete:
            self._require_no_link_above(section, section.new_name, links_gone, links_made)
        content = self._changed(section, before)
        if section.is_delete and content:
            raise section.refused("the file has more in it than this patch deletes", Why.MISMATCH)
        result = Result(section.new_mode, content)
        self.results.append(result)
        if section.new_name is not None:
            self.known[section.new_name] = result
        if section.old_name is not None and (section.new_name is None or section.is_rename):
            self.known[section.old_name] = Fate.GONE

    def _before(self, section: Section) -> bytes:
        """What the section starts from. Settles what its header left open."""
        if section.old_name is None:
            return b""
        earlier = None if section.is_rename or section.is_copy else self.known.get(section.old_name)
        if earlier is Fate.GONE:
            raise section.refused("an earlier section deleted or renamed this file", Why.MISMATCH)
        if isinstance(earlier, Result):
            mode, content = earlier.mode, earlier.content
        else:
            entry = self.view.file(section.old_name)
            if entry is None:
                if section.is_new is not None:
                    raise section.refused("there is no such file", Why.MISMATCH)
                section.is_new, section.is_delete, section.old_name = True, False, None
                return b""
            mode, content = entry.mode, self._read(section, entry)
        section.is_new = bool(section.is_new)
        self._settle_modes(section, mode)
        return content

    def _settle_modes(self, section: Section, mode: int) -> None:
        section.old_mode = section.old_mode or mode
        if (mode ^ section.old_mode) & KIND:
            raise section.refused(f"this is of another type ({mode:o}) than the patch says", Why.MISMATCH)
        if mode != section.old_mode:
            self.notes.append(f"{shown(section.old_name)} has mode {mode:o}, the patch says {section.old_mode:o}")
        if not section.new_mode and section.is_delete is False:
            section.new_mode = mode

    def _settle_target(self, section: Section) -> None:
        """Whether something may come about at the new name, and with which mode."""
        name = section.new_name
        if name is not None and (section.is_new or section.is_rename or section.is_copy):
            is_free = isinstance(self.known.get(name), Fate) or self.view.file(name) is None
            if not is_free:
                raise PatchRefused("a file of this name exists already", section.line, shown(name), Why.MISMATCH)
            section.new_mode = section.new_mode or (FILE if section.is_new else section.old_mode)
        if name is not None and section.old_name is not None:
            section.new_mode = section.new_mode or section.old_mode
            if (section.old_mode ^ section.new_mode) & KIND:
                raise section.refused("a file, link or submodule cannot become another of these", Why.MISMATCH)

    def _require_no_link_above(self, section: Section, name: bytes, gone: set[bytes], made: set[bytes]) -> None:
        folder = name
        while b"/" in folder:
            folder = folder.rpartition(b"/")[0]
            entry = self.view.find(folder)
            if folder in made or (folder not in gone and entry is not None and is_link(entry.mode)):
                raise PatchRefused("this path leads through a symbolic link", section.line, shown(name), Why.DANGER)

    def _changed(self, section: Section, before: bytes) -> bytes:
        """The content after the section."""
        if section.is_binary:
            content = self._binary(section, before)
        elif section.hunks:
            content = self._text(section, before)
        else:
            content = before
        if len(content) > self.limits.file_bytes:
            raise section.refused(f"a file of {len(content)} bytes is more than is taken", Why.LIMIT)
        self._spend(section, len(content))
        return content

    def _text(self, section: Section, before: bytes) -> bytes:
        image = Image(before)
        for hunk in section.hunks:
            if not image.apply(hunk):
                raise section.refused(f"the hunk at line {hunk.old_start} does not fit", Why.MISMATCH, hunk.line)
        return image.content()

    def _binary(self, section: Section, before: bytes) -> bytes:
        """git wants full ids on both sides and that both are right."""
        if not all(len(side) == 40 and is_hex(side) for side in (section.old_id, section.new_id)):
            raise section.refused("a binary change needs the full `index` line: use `git diff --binary`")
        if section.old_name is None and before:
            raise section.refused("the file is not empty", Why.MISMATCH)
        if section.old_name is not None and Blob.from_string(before).id != section.old_id.lower():
            raise section.refused("the file is another than the patch starts from", Why.MISMATCH)
        if section.new_id == NO_OBJECT:
            return b""
        if section.binary is None:
            # git would take it from its own store, where it has it; the verdict is to depend on tree and patch alone
            raise section.refused("the binary data is missing", Why.INCOMPLETE)
        data = section.binary.data
        if section.binary.is_delta:
            data = binary.apply_delta(before, data, self.limits, section.binary.line)
        if Blob.from_string(data).id != section.new_id.lower():
            raise section.refused("the binary data does not make the file that the patch promises")
        return data

    def _read(self, section: Section, entry: Entry) -> bytes:
        content = self.view.content(entry)
        if len(content) > self.limits.file_bytes:
            raise section.refused(f"a file of {len(content)} bytes is more than is taken", Why.LIMIT)
        self._spend(section, len(content))
        return content

    def _spend(self, section: Section, size: int) -> None:
        self.bytes_left -= size
        if self.bytes_left < 0:
            raise section.refused(f"more than {self.limits.total_bytes} bytes of files in one patch", Why.LIMIT)

    def _build(self) -> Applied:
        """First everything is removed, then everything written, as git does it: the last one written stays."""
        pairs = list(zip(self.sections, self.results, strict=True))
        gone = (s.old_name for s in self.sections if s.old_name is not None and not s.is_copy)
        changes: dict[bytes, Entry | None] = dict.fromkeys(gone)
        blobs: dict[bytes, ShaFile] = {}
        for section, result in pairs:
            if not section.is_delete:
                name = section.new_name if section.new_name is not None else section.name
                changes[name] = self._entry(section, name, result, blobs)
        tree_id, trees = rebuild(self.view, changes)
        self._require_no_twins(tree_id, trees, changes)
        made = [*(blob for blob in blobs.values() if blob.id not in self.view.objects), *trees]
        return Applied(tree_id, touched(self.view, changes, self.sections), made, tuple(self.notes))

    def _entry(self, section: Section, name: bytes, result: Result, blobs: dict[bytes, ShaFile]) -> Entry:
        mode = canonical(result.mode or FILE)
        dangers.require_result(name, mode, result.content, self.limits, section.line)
        if mode == SUBMODULE:
            head, _, commit = result.content.partition(b"Subproject commit ")
            if head or result.mode & KIND != SUBMODULE or len(commit) < 40 or not is_hex(commit[:40]):
                raise section.refused("this is no commit of a submodule")
            return Entry(mode, commit[:40].lower())
        blob = Blob.from_string(result.content)
        blobs[blob.id] = blob
        return Entry(mode, blob.id)

    def _require_no_twins(self, tree_id: bytes, trees: list[ShaFile], changes: Mapping[bytes, Entry | None]) -> None:
        """No name comes about that some file systems would not tell from its neighbour's."""
        after = View(tree_id, _Layered({tree.id: tree for tree in trees}, self.view.objects))
        for path, entry in changes.items():
            folder, parent = tree_id, b""
            for name in path.split(b"/") if entry is not None else ():
                names = after.folder(folder)
                if self.view.find(parent + name) is None and (other := dangers.twin(name, names)) is not None:
                    reason = f"this name and {shown(other)} are the same on some systems"
                    raise PatchRefused(reason, path=shown(path), why=Why.DANGER)
                if names[name].is_folder:
                    folder, parent = names[name].id, parent + name + b"/"


@dataclass(frozen=True, slots=True)
class _Layered:
    """Objects made just now over those that were there."""

    made: Mapping[bytes, ShaFile]
    under: Objects

    def __getitem__(self, sha: bytes, /) -> ShaFile:
        return self.made[sha] if sha in self.made else self.under[sha]

    def __contains__(self, sha: bytes, /) -> bool:
        return sha in self.made or sha in self.under


def is_link(mode: int) -> bool:
    """Whether a mode is a symbolic link's."""
    return mode & KIND == LINK


def is_hex(text: bytes) -> bool:
    """Whether all of a text is hexadecimal digits."""
    return not text.strip(b"0123456789abcdefABCDEF")
