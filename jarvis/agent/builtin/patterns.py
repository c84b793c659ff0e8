"""How named things look in a request: files, revisions, people, words to look for.

Every repetition is bounded and no two neighbours can match the same text, so none backtracks for long.
"""

import re


def _any(words: str) -> str:
    return f"(?:{'|'.join(words.split())})"


def _rule(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


NAME = r"[A-Za-z][\w.-]{1,30}"
PART = r"[\w.@+-]{1,100}"
EXTENSION = _any(
    "py pyi js ts tsx jsx md rst txt toml json ya?ml ini cfg conf html? css sql sh go rs c h cc cpp hpp java kt rb "
    "php lua xml lock env service nix proto tf vue svelte"
)
FAMOUS = _any("Makefile Dockerfile LICENSE COPYING CHANGELOG CONTRIBUTING README Jenkinsfile Gemfile Procfile Justfile")

QUOTED = re.compile(r"`([^`]{1,200})`|\"([^\"]{1,200})\"|(?<!\w)'([^']{1,200})'(?!\w)")
ID = re.compile(r"\b[a-z]{3}_[0-9A-Za-z]{10,26}\b")
RANGE = re.compile(r"(?<![\w/.-])([\w/.-]{1,80}\w|HEAD[~^]\d*)\.\.\.?([\w/.~^-]{1,80})")
PAIR = _rule(r"\b(?:between|from)\s+(\S{1,80})\s+(?:and|to)\s+(\S{1,80})")
HEX = re.compile(r"\b(?=[0-9a-f]{0,40}\d)[0-9a-f]{7,40}\b")
RELATIVE = re.compile(r"\bHEAD(?:[~^]\d{0,4}){0,9}(?!\w)")
RELEASE = _rule(r"(?<![\w.])v\d{1,4}(?:\.\d{1,4}){0,3}(?:-?[a-z]{1,5}\.?\d{0,3})?(?![\w.]*\w)")
BRANCH = re.compile(r"\b(?:on|of)\s+(?:the\s+)?(?:branch\s+)?(\w[\w./-]{0,80})\s+branch\b|\bbranch\s+(\w[\w./-]{0,80})")
PATH = re.compile(
    rf"(?<![\w/.])/(?:{PART}/){{0,12}}{PART}"  # absolute
    rf"|(?<![\w/])(?:\.{{0,2}}/)?(?:{PART}/){{1,12}}[\w.@+-]{{0,100}}"
)
NAMED_FILE = re.compile(rf"(?<![\w/.])(?:[\w.+-]{{1,80}}\.{EXTENSION}|{FAMOUS})(?![\w/])")
SPOKEN_FILES = {
    "CONTRIBUTING": _rule(r"\bcontribut(?:ing|ion)\s+guide(?:lines)?\b"),
    "Makefile": _rule(r"\bmakefile\b"),
    "Dockerfile": _rule(r"\bdockerfile\b"),
    "CHANGELOG": _rule(r"\bchange\s?log\b"),
}
CODE_WORD = re.compile(
    r"(?<![\w.])(?:"
    r"[A-Za-z_]\w*\(\)"  # call()
    r"|[a-z]+[A-Z]\w*|[A-Z][a-z0-9]+[A-Z]\w*"  # camelCase, CamelCase
    r"|\w*[A-Za-z0-9]_\w+"  # snake_case, UPPER_CASE
    r")(?!\w)"
)
SPAN = _any(r"hours? hrs? days? weeks? min sec months? years? [hdm](?!\w)")
COUNT = _rule(
    rf"\b{_any('last latest top first newest recent previous show list only')}\s+(?:me\s+)?(?:the\s+)?"
    rf"(\d{{1,3}}|two|three|five|ten|twenty)\b(?!\s*{SPAN})"
)
COUNT_WORDS = {"two": 2, "three": 3, "five": 5, "ten": 10, "twenty": 20}

DID = _any(
    "do done been commit committed change changed write wrote work say said contribute sign signed log logged have "
    "make made touch touched add added ever last"
)
BEING = _any("user admin signed logged online active member here doing")
TRACE = _any("trail events? activity logs? commits? sessions? changes actions history")
PEOPLE = tuple(
    _rule(pattern)
    for pattern in (
        rf"\b(?:by|from|author|user|named|called)\s+@?({NAME})\b",
        rf"\b(?:did|has|have|does)\s+@?({NAME})\s+{DID}\b",
        rf"\b(?:is|was|are)\s+@?({NAME})\s+(?:an?\s+)?{BEING}\b",
        rf"\b{TRACE}\s+(?:of|for)\s+@?({NAME})\b",
        rf"\b({NAME})'s\b",
        rf"(?<!\w)@({NAME})\b",
    )
)

OURS = r"(?:(?:the|this|that|my|our|all|any|all\s+the)\s+)?"
PLACE = _any(
    "repo repository code codebase project source sources source\\s+code files? messages? chats? threads? "
    "conversations? events? logs? history everything tree it here"
)
END = rf"(?=\s+{_any('in across inside within through throughout on from')}\s+{OURS}{PLACE}\b|\s*[?.!]*\s*$)"
IN_PLACE = rf"(?:{OURS}{PLACE}\s+)?"
USES = _any("calls? uses? defines? imports? mentions? references? contains?")
USED = _any(
    "defined used called declared implemented mentioned set documented referenced imported handled define use call "
    "implement set\\s+up mention"
)
SORT = _any("class function method variable constant setting module")
OCCURRENCES = _any("uses? usages? mentions? occurrences? references? calls? places?")
CHATTER = _any("messages? conversations? chats? threads? anything something")
TERM = r"(?P<term>\S.{0,120}?)"
WORD = r"(?P<term>\S{1,100}?)"
TERMS = tuple(
    _rule(pattern)
    for pattern in (
        # where we discussed X
        rf"\b(?:discuss(?:ed)?|talk(?:ed)?\s+about|mentioned|spoke\s+about|wrote\s+about)\s+{TERM}{END}",
        # does the code use X anywhere
        rf"\b(?:does|do|is|are)\s+(?:(?:we|you)\s+)?{IN_PLACE}(?:use|import|contain|mention|call|reference|using)\s+"
        rf"{TERM}\s+(?:anywhere|somewhere|at\s+all)\b",
        # which file defines class X
        rf"\b(?:who|what|which\s+\w+)\s+{USES}\s+(?:the\s+)?{SORT}\s+{WORD}(?:\s*$|\s+in\b)",
        # search the code for X
        rf"\b(?:search(?:ing)?|grep|look(?:ing)?|hunt|scan)\s+(?:(?:in|through|across)\s+)?{IN_PLACE}(?:for\s+)?{TERM}{END}",
        # find usages of X, find messages about X
        rf"\bfind\s+(?:me\s+)?(?:all\s+)?(?:{OCCURRENCES}\s+(?:of|to|for|with)\s+)?{IN_PLACE}"
        rf"(?:(?:for|about|mentioning|with|containing|that\s+mention)\s+)?{TERM}{END}",
        # where is X defined
        r"\bwhere(?:\s+in\s+\w+(?:\s+\w+)?)?\s+(?:is|are|do\s+we|do\s+you|does|did\s+we|did)\s+(?:the\s+)?"
        rf"(?P<term>\S.{{0,100}}?)\s+{USED}\b",
        # who calls X
        rf"\b(?:who|what|which\s+\w+)\s+{USES}\s+{WORD}(?:\s*[?.!]*\s*$|\s+in\b)",
        # where do we use X
        rf"\bwhere\s+(?:do|does|did|is|are)\s+(?:we|you|i|they|it)\s+{USED}\s+{TERM}{END}",
        # any use of X
        rf"\b(?:{OCCURRENCES}|definition|def)\s+(?:of|to)\s+{TERM}{END}",
        # messages about X
        rf"\b{CHATTER}\s+(?:about|mentioning|containing|with|regarding)\s+{TERM}{END}",
        # did I say anything about X
        rf"\bdid\s+(?:i|we|you)\s+(?:say|write|ask|mention|talk)\s+(?:anything\s+)?(?:about\s+)?{TERM}{END}",
    )
)
TERM_EDGE = _rule(rf"^(?:the\s+(?:word|text|string|phrase|term|{SORT})|the|a|an|any|word|text)\s+")

MORE = re.compile(
    r"\s*(?:(?:ok(?:ay)?|and|yes|please|can\s+you|could\s+you)[\s,]+){0,3}"
    r"(?:(?:show|tell|give|list|display|see)\s+(?:me\s+)?)?(?:(?:some|a\s+bit|even)\s+)?"
    r"(?:more(?:\s+(?:of\s+(?:it|them|those|that)|details?|about\s+(?:it|that|this)))?"
    r"|the\s+rest|all(?:\s+of\s+(?:it|them))?|continue|go\s+on|in\s+more\s+detail|details|everything)"
    r"(?:[\s,]+please)?[\s.!?]*",
    re.IGNORECASE,
)
LEADS = re.compile(
    r"\s*(?:(?:and|but|ok(?:ay)?|so|now|then)\b[\s,]*)?"
    r"(?:what\s+about|how\s+about|for|what\s+of|same\s+(?:for|but|thing\s+for))\b[\s,]*(?P<rest>.*)"
    r"|\s*and\b[\s,]*(?P<and>.*)",
    re.IGNORECASE,
)
