"""What acts: each tool call of a reply under the policy, its result kept with the reply, nothing done twice."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jarvis.agent import toolbox
from jarvis.agent.actions.writing import Writer
from jarvis.agent.providers import Message, ToolCall
from jarvis.agent.toolbox import Checked
from jarvis.chat import actions as chat
from jarvis.chat import store as chats
from jarvis.kernel.context import Context
from jarvis.policy.actions import Decision, approvals
from jarvis.policy.actions.approvals import Wish
from jarvis.policy.store import Approval

WAITING, RUNNING = "waiting", "running"
UNKNOWN_END = "It was begun before Jarvis stopped, and how it ended is not known; it is not run twice."


@dataclass(frozen=True, slots=True)
class Hand:
    """Runs the calls of one reply as the agent, for the one who asked."""

    ctx: Context
    writer: Writer
    workspace: str

    def take(self, call: ToolCall) -> Message | None:
        """Run a call, or say why not; None when a person is asked first."""
        step = self.ctx.span()
        found = toolbox.check(step, call, self.writer.reply.thread_id)
        if found.decision.effect == "ask" and not found.problem:
            wish = self._wish(call.name, found.arguments, call.id)
            with step.db.write():
                asked = approvals.ask(step, wish, found.decision.reason)
                if isinstance(asked, Approval):
                    self._wait(step, call, found, asked)
                    return None
            found = replace(found, decision=Decision("deny", asked))
        return self._act(step, found, None)

    def _wish(self, tool: str, arguments: Mapping[str, Any], call_id: str) -> Wish:
        reply = self.writer.reply
        return Wish(tool, arguments, self.workspace, reply.thread_id, reply.id, call_id)

    def _wait(self, step: Context, call: ToolCall, found: Checked, asked: Approval) -> None:
        bound: dict[str, object] = {"id": asked.id, "reason": asked.reason, "digest": asked.digest}
        bound |= {"expires_at": asked.expires_at, "asked_for": asked.username}
        detail = self._about(call, found.arguments) | {"outcome": WAITING, "approval": bound}
        with step.db.write() as tx:
            chat.add_tool_call(step, self.writer.reply, "", detail)
            told = approvals.told(asked) | {"reason": asked.reason}
            tx.record("approval.requested", f"approval/{asked.id}", told, thread_id=asked.thread_id)

    def _about(self, call: ToolCall, arguments: Mapping[str, Any]) -> dict[str, object]:
        told = {"tool": call.name, "arguments": dict(arguments), "for": self.ctx.username, "call_id": call.id}
        return told | {"text_at": len(self.writer.text)}

    def settle_waiting(self, calls: Sequence[chats.Message]) -> bool:
        """Carry out what was decided on earlier calls; False while one of them still waits for a person."""
        is_settled = True
        for message in calls:
            outcome = message.details().get("outcome")
            if outcome == RUNNING:
                self._act(self.ctx.span(), self._denied(message, UNKNOWN_END), message)
            elif outcome == WAITING:
                is_settled = self._settle(message) and is_settled
        return is_settled

    def _settle(self, message: chats.Message) -> bool:
        step, detail = self.ctx.span(), message.details()
        call = ToolCall(detail["call_id"], detail["tool"], detail["arguments"])
        with step.db.write():
            # Asked once more: what a person approved may be forbidden by now, and then the person did not mean this.
            found = toolbox.check(step, call, message.thread_id)
            decision = found.decision
            if decision.effect != "deny":
                decision = approvals.use(step, self.writer.reply.id, call.id, found.arguments)
            if decision.effect == "ask":
                return False
            found = replace(found, decision=decision)
            if found.tool is not None and found.tool.risk == "host" and decision.is_allowed:
                self._mark_running(step, message)
        self._act(step, found, message)
        return True

    def _mark_running(self, step: Context, message: chats.Message) -> None:
        chat.change_tool_call(step, message, message.content, message.details() | {"outcome": RUNNING})

    def _denied(self, message: chats.Message, why: str) -> Checked:
        detail = message.details()
        call = ToolCall(detail["call_id"], detail["tool"], detail["arguments"])
        return Checked(call, None, dict(detail["arguments"]), Decision("deny", why))

    def _act(self, step: Context, found: Checked, kept: chats.Message | None) -> Message:
        """Run what is allowed; its result, or why there is none, goes back as data."""
        about = self._about(found.call, found.arguments)
        self._record(step, "tool.call.start", found.call, about | ({"resumed": True} if kept else {}))
        is_host = found.tool is not None and found.tool.risk == "host" and found.decision.is_allowed
        if is_host and kept is None:
            kept = chat.add_tool_call(step, self.writer.reply, "", about | {"outcome": RUNNING})
        if found.tool is not None and found.tool.risk == "write" and found.decision.is_allowed:
            with step.db.write():  # what it changes and that it was called are stored together, or neither is
                return self._carry_out(step, found, kept, about)
        return self._carry_out(step, found, kept, about)

    def _carry_out(
        self, step: Context, found: Checked, kept: chats.Message | None, about: dict[str, object]
    ) -> Message:
        call, longest = found.call, found.tool.longest_result if found.tool else toolbox.LONGEST_RESULT
        started = time.perf_counter()
        outcome, result = toolbox.run(step, found, self.workspace)
        milliseconds = round((time.perf_counter() - started) * 1000, 1)
        content = toolbox.bounded(step.db.redact(json.dumps(result, ensure_ascii=False, default=str)), longest)
        ended: dict[str, object] = {"outcome": outcome, "milliseconds": milliseconds}
        with step.db.write():
            message = self._keep(step, kept, content, about | ended)
            told = {"tool": call.name, "call_id": call.id, "message_id": message.id} | ended
            seq = self._record(step, "tool.call.end", call, told)
        self.ctx.registry.streams.mark(self.writer.reply.thread_id, seq)
        return Message("tool", content, tool_call_id=call.id, name=call.name)

    def _keep(
        self, step: Context, kept: chats.Message | None, content: str, detail: dict[str, object]
    ) -> chats.Message:
        if kept is None:
            return chat.add_tool_call(step, self.writer.reply, content, detail)
        at = kept.details().get("text_at", detail["text_at"])
        return chat.change_tool_call(step, kept, content, detail | {"text_at": at})

    def _record(self, step: Context, type: str, call: ToolCall, about: Mapping[str, object]) -> int:
        """Record what became of a call of this reply."""
        reply = self.writer.reply
        with step.db.write() as tx:
            return tx.record(type, f"tool/{call.name}", {**about, "reply_id": reply.id}, thread_id=reply.thread_id)
