"""Durable tasks about pull requests: the summary, and answers to comments."""

from typing import Any

from jarvis.github.actions import questions, summaries
from jarvis.kernel.context import Context
from jarvis.kernel.registry import TaskHandler, TaskRun

ATTEMPTS = 8
"""GitHub's limits may take an hour to pass; each attempt waits as long as it was told to."""


def _summarise(ctx: Context, task: TaskRun) -> dict[str, Any]:
    return summaries.summarise(ctx, task.payload, task.is_cancelled)


def _answer(ctx: Context, task: TaskRun) -> dict[str, Any]:
    return questions.answer(ctx, task.payload, task.is_cancelled)


TASKS = (
    TaskHandler(
        summaries.TASK,
        _summarise,
        "Writes or edits the comment that says what a pull request changes.",
        max_attempts=ATTEMPTS,
        concurrency=2,
        gave_up=summaries.gave_up,
    ),
    TaskHandler(
        questions.TASK,
        _answer,
        "Answers a comment on a pull request.",
        max_attempts=ATTEMPTS,
        concurrency=2,
        gave_up=questions.gave_up,
        cancelled=questions.cancelled,
    ),
)
