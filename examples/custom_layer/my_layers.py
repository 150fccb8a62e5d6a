"""A layer of one's own: docs/layers.md tells how it works, stack.yaml beside it names it."""

from nacre.decorator import ChatModelDecorator, Flow
from nacre.text.messages import with_nacre


class SecondOpinion(ChatModelDecorator):
    """Asks whether the answer holds, and says so."""

    doubt: str = "Is that true? Yes or no."

    def flow(self, messages, **kwargs) -> Flow:
        """Answer, then ask about the answer."""
        answer = yield from self.ask(messages, live=True, **kwargs)
        opinion = yield from self.ask([*messages, answer, ("user", self.doubt)])
        return with_nacre(answer, sure=opinion.text.lower().startswith("yes"))
