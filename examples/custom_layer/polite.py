"""A layer of one's own: an answer never ends without a closing line. 自己写的层：回答总有结束语。"""

from nacre.decorator import ChatModelDecorator, Flow
from nacre.text.messages import text_of, with_text


class Polite(ChatModelDecorator):
    """Adds a closing line to every answer; what the inner model said is streamed as it comes."""

    closing: str = "Can I help with anything else?"

    def flow(self, messages, **kwargs) -> Flow:
        """Ask the inner model and add the line, unless it stands there or a tool is called."""
        answer = yield from self.ask(messages, live=True, **kwargs)
        if answer.tool_calls or text_of(answer).rstrip().endswith(self.closing):
            return answer
        return with_text(answer, f"{text_of(answer)}\n{self.closing}")
