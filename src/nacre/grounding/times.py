"""Sources that hold at different times: which hold when it is asked for, and what each says of its own."""

from __future__ import annotations

import re
from collections.abc import Sequence

from nacre.grounding.ranking import Evidence
from nacre.text.messages import Source
from nacre.text.validity import asked_for, holds, timeless
from nacre.text.words import words

_PERIOD_LINE = re.compile(r"^valid_(?:from|until):.*$", re.MULTILINE)
_SAME_THING = 0.6  # of the words of two sentences that say the same of two times


def at_time(
    question: str, sources: Sequence[Source], relevance: float | None
) -> tuple[str, Sequence[Source], float | None]:
    """The sources that hold at the time that is asked for, where some do; the time is then no word to be looked for,
    unless they speak of it, and a relevance that was reckoned with it says nothing.
    """
    day = asked_for(question)
    held = [source for source in sources if not source.valid or holds(source.valid, day)]
    if not day or not any(source.valid for source in held):
        return question, sources, relevance
    spoken = any(day in _PERIOD_LINE.sub("", source.text) for source in held if source.valid)
    return (question, held, relevance) if spoken else (timeless(question), held, None)


def of_times(chosen: Sequence[Evidence], best: Sequence[Evidence], sources: Sequence[Source]) -> list[Evidence]:
    """What is chosen, and what says the same of other times, oldest first."""
    first, found = chosen[0], list(chosen)
    valid, said = sources[first.passage].valid, _plain(first, sources)
    if not valid:
        return found
    times = {valid: first}
    for item in best:
        period, other = sources[item.passage].valid, _plain(item, sources)
        if period and period not in times and len(said & other) >= _SAME_THING * len(said | other):
            times[period] = item
    alike = [times[period] for period in sorted(times)]
    return [*alike, *(item for item in found[1:] if item not in alike)] if len(times) > 1 else found


def _plain(item: Evidence, sources: Sequence[Source]) -> frozenset[str]:
    said = words(sources[item.passage].text[item.start : item.end])
    return frozenset(word for word in said if not any(letter.isdigit() for letter in word))
