"""Ask one question, or talk.

Usage:
  jarvis ask TEXT [--thread ID | --new-thread] [--timeout S]
  jarvis chat [--thread ID]

Options:
  --thread ID    Go on in this conversation.
  --new-thread   Start a conversation; otherwise the last one about this directory goes on.
  --timeout S    Seconds to wait for the answer; it is kept even if nobody waits [default: 300].

The question is about the directory it is asked in. Commands such as /help work here too.
"""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from jarvis.chat import actions as chat
from jarvis.chat import store as chats
from jarvis.chat.store import Message, Thread
from jarvis.kernel.console import Arguments, Console, Start
from jarvis.kernel.context import Context
from jarvis.kernel.errors import JarvisError, TryAgain, Usage
from jarvis.kernel.log import escape_control
from jarvis.queue import actions as queue
from jarvis.queue import epochs
from jarvis.queue.services import Runner
from jarvis.system import server

LONGEST_WAIT = 5.0


def run(start: Start, args: Arguments, console: Console) -> int:
    timeout = _seconds(args["--timeout"] or "300")
    ctx = start.context(registry=True)
    thread = _thread(ctx, args["--thread"], is_new=args.get("--new-thread", False) or args["chat"])
    if args["chat"]:
        return _talk(ctx, thread, console)
    return ask(ctx, thread, args["TEXT"], timeout, console)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:  # so written, it refuses NaN as well
        raise Usage(f"--timeout takes a number of seconds, not {text!r}.")
    return max(1.0, seconds)


def _thread(ctx: Context, thread_id: str | None, *, is_new: bool) -> Thread:
    """The conversation named, or the last open one about this directory, or a new one."""
    if thread_id is not None:
        return chat.own(ctx, thread_id)
    here = str(Path.cwd())
    assert ctx.user_id is not None
    if not is_new:
        with ctx.db.read() as tx:
            for thread in chats.latest(tx, ctx.user_id, "open", 20):
                if thread.workspace == here:
                    return thread
    return chat.open_thread(ctx, workspace=here)


def _talk(ctx: Context, thread: Thread, console: Console) -> int:
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401 — line editing, where the host has it
    console.say("Talk to Jarvis. /help lists commands; an empty line or Ctrl-D ends it.")
    while True:
        try:
            text = input("you> " if sys.stdin.isatty() else "")
        except EOFError:
            return 0
        if not text.strip():
            return 0
        try:
            ask(ctx, thread, text, 600.0, console)
        except JarvisError as error:
            console.say(str(error))


def ask(ctx: Context, thread: Thread, text: str, timeout: float, console: Console) -> int:
    """Post a question and show the answer as it is written; exit code 1 when there is none."""
    posted = chat.post(ctx.traced(), thread.id, text, workspace=str(Path.cwd()))
    assert posted.reply is not None
    printer = Printer(console, sys.stderr.isatty() and not console.is_json)
    if posted.task_id is None:
        printer.finish(posted.reply)
        return 0
    try:
        reply = _wait(ctx, posted.reply, posted.task_id, timeout, printer)
    except KeyboardInterrupt:
        with contextlib.suppress(JarvisError):
            chat.stop(ctx, posted.reply.id)
        raise
    printer.finish(reply)
    if not reply.is_finished:
        return TryAgain.exit_code
    return 0 if reply.status == "done" else 1


def _wait(ctx: Context, reply: Message, task_id: str, timeout: float, printer: "Printer") -> Message:
    """The finished reply: written by the server that runs, or here when there is none."""
    if server.running(ctx.settings) is None:
        return _answer_here(ctx, reply, task_id, printer)
    deadline = time.monotonic() + timeout
    with _listening(ctx):
        while True:
            seen = ctx.db.wake.count
            with ctx.db.read() as tx:
                reply = chats.get_message(tx, reply.id)
                calls = chats.tool_calls(tx, reply.id)
            printer.show(reply.content, calls)
            if reply.is_finished:
                return reply
            if time.monotonic() >= deadline:
                raise TryAgain(
                    f"The answer is not there yet; it will be kept. See: jarvis chat --thread {reply.thread_id}"
                )
            ctx.db.wake.wait(seen, min(LONGEST_WAIT, max(0.0, deadline - time.monotonic())))


@contextlib.contextmanager
def _listening(ctx: Context) -> Iterator[None]:
    """Be told of the server's commits."""
    listener = ctx.db.wake.listen(ctx.settings.jarvis_home / "run")
    try:
        yield
    finally:
        listener.close()


def _answer_here(ctx: Context, reply: Message, task_id: str, printer: "Printer") -> Message:
    def show(frame: dict[str, object]) -> None:
        if frame["message_id"] == reply.id:
            printer.add(str(frame["text"]))

    stop: Callable[[], None] = ctx.registry.streams.subscribe(show)
    try:
        with contextlib.closing(epochs.begin(ctx, "cli")) as epoch:
            task = queue.claim_one(ctx, task_id, epoch.number)
            if task is None:
                raise TryAgain("A server has just started and answers this. Ask again to see it.")
            Runner(ctx, epoch).run(task)
    finally:
        stop()
    with ctx.db.read() as tx:
        reply, calls = chats.get_message(tx, reply.id), chats.tool_calls(tx, reply.id)
    printer.say_what_waits(calls)
    return reply


@dataclass
class Printer:
    """Shows a reply as it grows: text on standard output, tools as remarks on a terminal."""

    console: Console
    shows_tools: bool
    shown: str = ""
    tools: int = 0
    asked: set[str] = field(default_factory=set)

    def add(self, text: str) -> None:
        self.shown += text
        if not self.console.is_json:
            self.console.write(escape_control(text))

    def show(self, content: str, calls: list[Message]) -> None:
        """Bring what is shown up to what there is."""
        for call in calls[self.tools :] if self.shows_tools else []:
            detail = call.details()
            took = f", {detail['milliseconds']} ms" if "milliseconds" in detail else ""
            self.console.say(f"  {detail['tool']}: {detail['outcome']}{took}")
        self.tools = len(calls)
        if content.startswith(self.shown):
            self.add(content[len(self.shown) :])
        self.say_what_waits(calls)

    def say_what_waits(self, calls: list[Message]) -> None:
        """Name each call that waits for a person, once, with the commands that decide on it."""
        for detail in (call.details() for call in calls):
            approval_id = detail["approval"]["id"] if detail.get("outcome") == "waiting" else ""
            if approval_id and approval_id not in self.asked:
                self.asked.add(approval_id)
                how = f"jarvis approval show {approval_id}, then approve or deny it"
                self.console.say(f"jarvis: {detail['tool']} needs an admin's approval: {how}")

    def finish(self, reply: Message) -> None:
        if self.console.is_json:
            self.console.answer(reply.as_json(), "")
            return
        self.show(reply.content, [])
        if self.shown and not self.shown.endswith("\n"):
            self.console.write("\n")
        if not reply.is_finished:
            self.console.say("jarvis: The answer goes on when that is decided and a server runs.")
        elif reply.status != "done":
            self.console.say(f"jarvis: {reply.error or 'The answer was stopped.'}")
        elif "did not answer" in reply.provider:
            self.console.say(f"jarvis: answered by the {reply.provider}")
