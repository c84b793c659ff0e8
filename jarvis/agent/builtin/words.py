"""Plain language made comparable: words, their light stems, and the nearest known word for a typo."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

MAX_TEXT = 2_000
MAX_WORDS = 160
WORD = re.compile(r"[^\W_]+(?:['_.-][^\W_]+)*|/[\w./-]+|[?!]", re.UNICODE)
QUOTES = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2013": "-", "\u2014": " - "})
CONTRACTIONS = {
    "what's": "what is", "whats": "what is", "who's": "who is", "whos": "who is", "where's": "where is",
    "wheres": "where is", "how's": "how is", "hows": "how is", "when's": "when is", "that's": "that is",
    "thats": "that is", "it's": "it is", "there's": "there is", "here's": "here is", "let's": "let us",
    "i'm": "i am", "i'd": "i would", "i've": "i have", "i'll": "i will", "we're": "we are", "we've": "we have",
    "you're": "you are", "u": "you", "r": "are", "pls": "please", "plz": "please", "thx": "thanks", "ty": "thanks",
    "wanna": "want to", "gimme": "give me", "lemme": "let me", "gonna": "going to", "im": "i am", "ur": "your",
    "don't": "do not", "dont": "do not", "doesn't": "does not", "didn't": "did not", "isn't": "is not",
    "can't": "can not", "cannot": "can not", "won't": "will not", "aren't": "are not", "wasn't": "was not",
    "shouldn't": "should not", "couldn't": "could not", "wouldn't": "would not", "haven't": "have not",
    "hasn't": "has not", "ain't": "is not", "who've": "who have", "they're": "they are", "what're": "what are",
    "how've": "how have", "i'v": "i have", "whatre": "what are", "whose": "who is",
}  # fmt: skip
PHRASES = {
    "everything fine": "status", "everything ok": "status", "everything okay": "status", "everything alright": "status",
    "up and running": "status", "jarvis doing": "status", "we doing": "status", "all the time": "often",
    "left to commit": "uncommitted", "to commit": "uncommitted", "else can you do": "capabilities",
    "is behind": "contributors", "shut down": "shutdown", "turn off": "shutdown", "switch off": "shutdown",
    "who did what": "happening", "what is new": "whatsnew", "anything new": "whatsnew", "pull up": "open",
    "bring up": "open", "walk me through": "describe", "run down": "rundown", "give me a tour": "describe",
    "out of date": "outdated", "what is up": "happening", "going wrong": "failed",
    "been up to": "happening", "open source": "license", "who built": "contributors", "who made": "contributors",
    "what you can do": "capabilities", "am i talking": "whoareyou", "i talking to": "whoareyou",
    "read me": "readme", "file system": "filesystem", "file systems": "filesystem", "code base": "codebase",
    "log in": "login", "logged in": "login", "logs in": "login", "signed in": "login", "log ins": "login",
    "signed on": "login", "logged on": "login", "sign in": "login", "sign ins": "login", "went wrong": "failed",
    "go wrong": "failed", "gone wrong": "failed", "goes wrong": "failed",
    "blew up": "failed", "fell over": "failed", "fall over": "failed", "did not work": "failed",
    "does not work": "failed", "do not work": "failed", "not working": "failed", "on fire": "failed",
    "work tree": "worktree", "working tree": "worktree", "working copy": "worktree", "working directory": "worktree",
    "up for": "uptime", "been up": "uptime", "been running": "uptime", "up since": "uptime", "up time": "uptime",
    "lines of code": "loc", "line count": "loc", "time zone": "timezone", "what time": "clock", "the time": "clock",
    "set up": "setup", "open ports": "ports", "last reboot": "uptime", "last boot": "uptime", "booted": "uptime",
    "pull request": "pr", "pull requests": "pr", "check in": "commit", "check ins": "commit",
    "what can you do": "capabilities", "what can i ask": "capabilities", "what can i do": "capabilities",
    "what do you do": "capabilities", "what are you able": "capabilities", "what do you know": "capabilities",
    "how do you work": "capabilities", "how can you help": "capabilities", "what can i say": "capabilities",
    "who are you": "whoareyou", "what are you": "whoareyou", "are you a": "whoareyou", "are you an": "whoareyou",
    "your name": "whoareyou", "about yourself": "whoareyou", "tell me about yourself": "whoareyou",
    "tell me about": "describe", "any good": "opinion", "you think": "opinion", "since when is": "uptime",
    "since when has": "uptime", "introduce yourself": "whoareyou",
    "which model": "whoareyou", "what model": "whoareyou", "are you human": "whoareyou", "are you chatgpt": "whoareyou",
    "good morning": "hello", "good evening": "hello", "good afternoon": "hello", "good day": "hello",
    "good night": "goodbye", "see you": "goodbye", "thank you": "thanks", "well done": "thanks",
    "nice work": "thanks", "good job": "thanks", "good work": "thanks", "much appreciated": "thanks",
    "how are you": "status", "how is it going": "status", "how are things": "status", "how is everything": "status",
    "is everything": "status", "are you ok": "status", "are you okay": "status", "are you alright": "status",
    "all good": "status", "anything wrong": "status", "all systems": "status", "system doing": "status",
    "you doing": "status",
    "going on": "happening", "been happening": "happening", "run out": "full", "running out": "full",
    "running low": "full", "fill up": "full", "filling up": "full", "takes up": "using", "taking up": "using",
    "eating up": "using", "hot spots": "hotspots", "hot files": "hotspots", "hot file": "hotspots",
    "not committed": "uncommitted", "not yet committed": "uncommitted", "not been committed": "uncommitted",
    "top level": "toplevel", "op sys": "os", "operating system": "os", "look like": "look", "laid out": "layout",
    "put together": "layout", "set out": "layout", "made of": "madeof", "made up of": "madeof",
    "written in": "writtenin", "coded in": "writtenin", "written with": "writtenin", "built with": "writtenin",
    "works on": "contributors", "work on": "contributors", "worked on": "contributors", "working on": "contributors",
    "release notes": "changelog", "change log": "changelog", "task manager": "processes", "host name": "hostname",
    "in use": "using", "used up": "using", "last commit": "lastcommit", "latest commit": "lastcommit",
    "newest commit": "lastcommit", "most recent commit": "lastcommit", "most often": "often", "the most": "most",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Heard:
    """One word as matched: what stood there, the concepts it may mean, and how sure the reading is."""

    text: str
    concepts: frozenset[str]
    sureness: float


def normalise(text: str) -> str:
    """NFKC, straight quotes, single spaces, a line end as a full stop; at most 2,000 characters."""
    folded = unicodedata.normalize("NFKC", text[:MAX_TEXT]).translate(QUOTES)[:MAX_TEXT]
    lines = ("".join(char if char.isprintable() else " " for char in line) for line in folded.splitlines())
    return "; ".join(filter(None, (" ".join(line.split()) for line in lines)))


def words_of(text: str) -> list[str]:
    """Lower-case words with contractions opened and set phrases joined."""
    opened: list[str] = []
    for word in WORD.findall(text.lower())[:MAX_WORDS]:
        opened += CONTRACTIONS.get(word, word.removesuffix("'s")).split()
    return _joined([word for word in opened if word not in ("?", "!")])


def stem(word: str) -> str:
    """Plural and verb endings off; good enough to meet the lexicon, not a linguist's stem."""
    for ending, by, shortest in (
        ("ies", "y", 5), ("sses", "ss", 6), ("xes", "x", 5), ("ches", "ch", 6), ("shes", "sh", 6), ("ing", "", 6),
        ("ed", "", 5), ("s", "", 4),
    ):  # fmt: skip
        if word.endswith(ending) and len(word) >= shortest and not word.endswith("ss"):
            return word[: len(word) - len(ending)] + by
    return word


class Lexicon:
    """Which concepts a word may stand for, typos included."""

    def __init__(self, concepts: Mapping[str, str], ordinary: Iterable[str], unlike: Iterable[str] = ()) -> None:
        table: dict[str, set[str]] = {}
        for concept, words in concepts.items():
            for word in words.split():
                table.setdefault(word, set()).add(concept)
                table.setdefault(stem(word), set()).add(concept)
        self._table = {word: frozenset(meanings) for word, meanings in table.items()}
        self._ordinary = frozenset(ordinary)
        self._unlike = frozenset(unlike)
        self._by_length: dict[int, list[str]] = {}
        for word in self._table:
            self._by_length.setdefault(len(word), []).append(word)

    def is_known(self, word: str) -> bool:
        return word in self._table or word in self._ordinary

    def is_ordinary(self, word: str) -> bool:
        return word in self._ordinary

    def hear(self, word: str) -> Heard:
        """The word's concepts; none for an ordinary or unknown one."""
        for form in (word, stem(word)):
            if form in self._table:
                return Heard(word, self._table[form], 1.0)
        if word in self._ordinary:
            return Heard(word, frozenset(), 1.0)
        near = self.nearest(word)
        return Heard(word, self._table[near] if near else frozenset(), 0.9 if near else 0.0)

    def nearest(self, word: str) -> str | None:
        """The known word a typo away: one slip from five letters on, two from eight; None when two are as near.

        Swapped letters count as nearer than a wrong one: `usres` is `users` before it is `uses`.
        """
        if len(word) < 5 or len(word) > 20 or not word.isalpha() or word in self._unlike:
            return None
        allowed = 1 if len(word) < 8 else 2
        best, meanings, found = 2 * allowed + 1, set[frozenset[str]](), ""
        for length in range(len(word) - allowed, len(word) + allowed + 1):
            for known in self._by_length.get(length, ()):
                if len(known) < 4 or word[0] not in known[:2] or known[0] not in word[:2]:
                    continue
                distance = 2 * slips(word, known, allowed) - (sorted(word) == sorted(known))
                if distance < best:
                    best, meanings, found = distance, {self._table[known]}, known
                elif distance == best:
                    meanings.add(self._table[known])
        return found if len(meanings) == 1 and found else None


def slips(a: str, b: str, stop: int) -> int:
    """Insertions, deletions, replacements and swaps of neighbours between two words; `stop` when more."""
    if abs(len(a) - len(b)) > stop:
        return stop + 1
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, char in enumerate(a, 1):
        older, before, row = before, row, [i] + [0] * len(b)
        for j, other in enumerate(b, 1):
            row[j] = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (char != other))
            if older and j > 1 and char == b[j - 2] and a[i - 2] == other:
                row[j] = min(row[j], older[j - 2] + 1)
        if min(row) > stop:
            return stop + 1
    return row[-1]


def _joined(words: list[str]) -> list[str]:
    result: list[str] = []
    at = 0
    while at < len(words):
        for width in (4, 3, 2, 1):
            phrase = " ".join(words[at : at + width])
            if width == 1 or (phrase in PHRASES and at + width <= len(words)):
                result.append(PHRASES.get(phrase, phrase))
                at += width
                break
    return result
