"""What the server does about GitHub by itself: follow bugs, and take up what was delivered during a lockdown."""

from dataclasses import dataclass, field

from jarvis.github.actions import deliveries, following
from jarvis.kernel.context import Context
from jarvis.kernel.service import Loop
from jarvis.kernel.wake import Ear

GATHER_SECONDS = 0.25
LOOK_SECONDS = 5.0


@dataclass(slots=True)
class Follower:
    """Looks after every commit, of whichever process, whether there is something to do about GitHub."""

    ctx: Context
    ear: Ear = field(init=False)

    def __post_init__(self) -> None:
        self.ear = Ear(self.ctx.db.wake, GATHER_SECONDS)

    def step(self) -> bool:
        """Do what there is; whether there may be more at once."""
        self.ear.seen = self.ctx.db.wake.count
        is_more = deliveries.take_up(self.ctx)
        return following.follow(self.ctx) or is_more


def loops(ctx: Context) -> list[Loop]:
    """The service of this feature."""
    follower = Follower(ctx)
    return [Loop("github", follower.step, LOOK_SECONDS, follower.ear.wait)]
