"""Greetings, thanks, and what the operator is and can do."""

from jarvis.agent.builtin.intents import Act, Catalog, Intent, Telling
from jarvis.agent.builtin.prose import bullets, safe

WORDS = {
    "hello": "hello hallo hiya howdy greetings hi hey yo",
    "thanks": "thanks thankyou cheers appreciated perfect awesome excellent brilliant",
    "goodbye": "goodbye bye cya farewell later",
    "help": "help capabilities commands command abilities features manual instructions question questions",
    "whoareyou": "whoareyou chatbot chatgpt gpt bot robot ai llm",
    "beyond": "poem joke story song essay haiku lyrics recipe translate translation refactor rewrite compose weather "
    "movie music philosophy opinion better improve bake brainstorm tutorial proofread blog tweet stock bitcoin "
    "football",
}

ACTS = (
    Act(
        "restart", "restart reboot reload", "an admin can restart Jarvis with `/restart`; I restart nothing by myself."
    ),
    Act("lockdown", "lockdown lock", "an admin can lock everything down with `/lockdown REASON`."),
    Act("unlock", "unlock", "an admin can lift a lockdown with `/unlock CODE`."),
    Act("file a bug", "file report raise", "use `/bug TITLE :: DESCRIPTION` to file one."),
    Act("stop", "stop kill terminate shutdown halt pause disable cancel abort", "I stop and kill nothing by myself."),
    Act(
        "delete",
        "delete remove erase drop wipe purge clean clear rm uninstall truncate",
        "I only read; nothing is deleted.",
    ),
    Act(
        "run",
        "run execute exec launch start install deploy upgrade update invoke trigger rerun enable",
        "I run no programs by myself.",
    ),
    Act(
        "change",
        "change bump edit modify rename move write create add set fix repair patch implement generate draft "
        "refactor rewrite commit push merge rebase revert checkout pull grant revoke promote reset configure",
        "I only read; I change no files, settings or accounts.",
    ),
    Act(
        "send",
        "send email mail post publish notify message call tweet upload download fetch",
        "I send nothing anywhere.",
    ),
    Act("schedule", "schedule remind alert", "I keep no reminders by myself."),
)

MODEL_HINT = (
    "For open questions and for writing, an admin can configure a model: set `PRIMARY_PROVIDER=openai` with "
    "`OPENAI_BASE_URL` and `OPENAI_MODEL` (Ollama, vLLM and the like work too), or `PRIMARY_PROVIDER=gemini`."
)


def hello(telling: Telling) -> str:
    return (
        f"Hello, {safe(telling.asker.name, 40)}. I can look at this host, the repository and what Jarvis has been "
        "doing. Try *summarize this repo*, *what failed last night?* or *is there enough disk?*"
    )


def thanks(telling: Telling) -> str:
    return "You're welcome."


def goodbye(telling: Telling) -> str:
    return "Goodbye. The conversation is kept; come back to it whenever you like."


def who_are_you(telling: Telling) -> str:
    return (
        "I am Jarvis's built-in operator: a program that matches plain requests to a fixed set of read-only tools and "
        "writes the answer from what they return. No language model is involved, so I do not guess, and I cannot hold "
        f"an open conversation.\n\n{MODEL_HINT}"
    )


def capabilities(telling: Telling) -> str:
    lines = [
        "**Jarvis**: *status* · *what failed last night?* · *recent events* · *search messages for “deadline”*",
        "**This host**: *is there enough disk?* · *memory* · *load* · *uptime* · *what is using the CPU?*",
        "**The repository**: *summarize this repo* · *what changed since Monday?* · *who works on it?* · "
        "*where is parse_config used?* · *show me the Makefile*",
    ]
    if telling.asker.is_admin:
        lines.append("**People**: *list the users* · *who is signed in?*")
    return (
        "Ask me in plain words, several things at once if you like:\n\n"
        f"{bullets(lines)}\n\n"
        "Follow up with *and yesterday?* or *show me more*. Commands begin with a slash; `/help` lists them. "
        "I only read: nothing you ask me changes anything."
    )


CATALOG = Catalog(
    (
        Intent(
            "talk.hello",
            "a greeting",
            ("hello", "good morning", "hi there", "hey jarvis"),
            {"hello": 0.9},
            hello,
            needs=("hello",),
            is_talk=True,
        ),
        Intent(
            "talk.thanks",
            "thanks",
            ("thank you", "thanks a lot", "cheers", "nice work"),
            {"thanks": 0.9},
            thanks,
            needs=("thanks",),
            is_talk=True,
        ),
        Intent(
            "talk.goodbye",
            "a goodbye",
            ("bye", "see you", "good night"),
            {"goodbye": 0.8},
            goodbye,
            needs=("goodbye",),
            is_talk=True,
        ),
        Intent(
            "talk.who_are_you",
            "what I am",
            ("who are you?", "are you an AI?", "what are you", "which model are you?"),
            {"whoareyou": 0.95, "version": -0.3},
            who_are_you,
            needs=("whoareyou",),
            is_talk=True,
        ),
        Intent(
            "talk.capabilities",
            "what I can do",
            ("what can you do?", "help", "how can you help me", "list your abilities"),
            {"help": 0.85, "test": -0.5, "build": -0.5, "repo": -0.3, "start": -0.3},
            capabilities,
            needs=("help",),
            is_talk=True,
        ),
    ),
    WORDS,
    ACTS,
)
