"""Boolean expressions over names: ``"CD8 & !(CD4 | FoxP3)"``.

``&`` is and, ``|`` or, ``!`` not; ``!`` binds tightest, then ``&``, then ``|``; round brackets group.  A name reaches up to
the next operator and may hold spaces: ``T helper & !CD4``.  One with ``& | ! ( )`` or a quote in it is put in quotes,
double or single, and a quote inside of them is written twice: ``"CD4 (low)"``.  ``set:category`` names a category of one
population set.  Nothing is ever evaluated as Python.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from ..errors import InputError

__all__ = ["Expression", "Name", "joined", "parse", "quoted"]

#: A longer expression, or one with more brackets open at once, was written by no person.
LONGEST, DEEPEST = 10_000, 100

_TOKEN = re.compile(
    r"""\s*(?:(?P<sign>[&|!()])|(?P<name>(?:"(?:[^"]|"")*"|'(?:[^']|'')*'|[^&|!()"'\s:]|[ \t]+(?=[^&|!()\s])|:)+))""",
)
_PART = re.compile(r"""\s*(?:"((?:[^"]|"")*)"|'((?:[^']|'')*)')\s*(:|$)""")
_PRECEDENCE = {"|": 1, "&": 2, "!": 3}
_T = TypeVar("_T")


@dataclass(frozen=True)
class Name:
    """A name in an expression.

    Attributes
    ----------
    text : str
        As written, without the quotes of a name that is quoted as a whole.
    start, stop : int
        Where it stands in the expression.
    parts : tuple of (str, str)
        Ways to read it as population set and category; none where no colon stands in it.
    """

    text: str
    start: int
    stop: int
    parts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Expression:
    """A parsed expression.

    Attributes
    ----------
    text : str
        As it was written.
    steps : tuple of Name or str
        In reverse Polish order: names, and ``&``, ``|``, ``!``.
    """

    text: str
    steps: tuple[Name | str, ...]

    @property
    def names(self) -> list[Name]:
        """The names, in the order in which they are worked off."""
        return [step for step in self.steps if isinstance(step, Name)]

    def evaluate(
        self,
        value: Callable[[Name], _T],
        both: Callable[[_T, _T], _T],
        either: Callable[[_T, _T], _T],
        negation: Callable[[_T], _T],
    ) -> _T:
        """Work it off.

        Parameters
        ----------
        value : callable
            What a name stands for: a mask, a set, a margin.
        both, either, negation : callable
            What ``&``, ``|`` and ``!`` do to such values; they must not change what they are given.
        """
        stack: list[_T] = []
        for step in self.steps:
            if isinstance(step, Name):
                stack.append(value(step))
            elif step == "!":
                stack.append(negation(stack.pop()))
            else:
                right, left = stack.pop(), stack.pop()
                stack.append(both(left, right) if step == "&" else either(left, right))
        return stack[0]

    def renamed(self, names: Mapping[int, str]) -> str:
        """The text with other names at the places where some start; as quoted as they need to be."""
        text = self.text
        for name in sorted(self.names, key=lambda n: -n.start):
            if name.start in names:
                text = text[: name.start] + names[name.start] + text[name.stop :]
        return text


def parse(text: str) -> Expression:
    """Read an expression.

    Raises
    ------
    InputError
        That says at which character the expression cannot be read, and why.
    """
    if not isinstance(text, str):
        raise InputError(f'{text!r} is no expression. Write one in quotes, such as "CD8 & !CD4".')
    if len(text) > LONGEST:
        raise InputError(
            f"The expression has {len(text):,} characters; {LONGEST:,} are the most. Gate parts of it, and combine their names."
        )
    reader = _Reader(text)
    for sign, name, place in _tokens(text):
        if name is not None:
            reader.name(name)
        elif sign in "!(":
            reader.opening(sign, place)
        else:
            reader.closing(sign, place)
    return Expression(text, reader.end())


def joined(parts: Iterable[str], sign: str = "&") -> str:
    """Several expressions as one; those that need it in brackets."""
    texts = [text.strip() for text in parts if text.strip()]
    if len(texts) == 1:
        return texts[0]
    return f" {sign} ".join(f"({text})" if re.search(r"[&|]", text) else text for text in texts)


def quoted(name: str) -> str:
    """A name as it stands in an expression: in quotes where it needs them."""
    plain = name == name.strip() and not re.search(r"""[&|!()"':]|\s{2}|[^\S ]""", name)
    return name if plain and name else '"' + name.replace('"', '""') + '"'


class _Reader:
    """Puts an expression into reverse Polish order (Dijkstra's shunting yard), without recursion."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.steps: list[Name | str] = []
        #: Operators and brackets that are not worked off yet, and where they stand.
        self.waiting: list[tuple[str, int]] = []
        self.open = 0
        #: Whether a name is expected next, rather than an operator.
        self.operand = True

    def name(self, name: Name) -> None:
        if not self.operand:
            raise _error(self.text, name.start, "an operator (&, | or a bracket) is missing before this name")
        self.steps.append(name)
        self.operand = False

    def opening(self, sign: str, place: int) -> None:
        if not self.operand:
            raise _error(self.text, place, f"an operator (& or |) is missing before {sign!r}")
        self.waiting.append((sign, place))
        self.open += sign == "("
        if self.open > DEEPEST:
            raise _error(
                self.text, place, f"more than {DEEPEST} brackets are open here; gate parts of it first"
            )

    def closing(self, sign: str, place: int) -> None:
        if self.operand:
            raise _error(self.text, place, f"a name is missing before {sign!r}")
        self._work_off(_PRECEDENCE.get(sign, 0))
        if sign != ")":
            self.waiting.append((sign, place))
            self.operand = True
        elif not self.waiting:
            raise _error(self.text, place, "this bracket was never opened")
        else:
            self.waiting.pop()
            self.open -= 1

    def end(self) -> tuple[Name | str, ...]:
        if self.operand:
            what = "a name is missing at the end" if self.text.strip() else "the expression is empty"
            raise _error(self.text, len(self.text), what)
        self._work_off(0)
        if self.waiting:
            raise _error(self.text, self.waiting[-1][1], "this bracket is never closed")
        return tuple(self.steps)

    def _work_off(self, least: int) -> None:
        while self.waiting and self.waiting[-1][0] != "(" and _PRECEDENCE[self.waiting[-1][0]] >= least:
            self.steps.append(self.waiting.pop()[0])


def _tokens(text: str) -> list[tuple[str, Name | None, int]]:
    found: list[tuple[str, Name | None, int]] = []
    place, end = 0, len(text.rstrip())
    while place < end:
        match = _TOKEN.match(text, place, end)
        if match is None:
            at = place + len(text[place:end]) - len(text[place:end].lstrip())
            raise _error(
                text, at, "this quote is never closed" if text[at] in "\"'" else "this cannot be read"
            )
        sign = match["sign"]
        start = match.start("sign" if sign else "name")
        if sign:
            found.append((sign, None, start))
        else:
            found.append(("", _name(text, start, match.end()), start))
        place = match.end()
    return found


def _name(text: str, start: int, stop: int) -> Name:
    raw = text[start:stop].rstrip()
    stop = start + len(raw)
    whole = _PART.fullmatch(raw)
    if whole is not None and not whole[3]:
        return Name(_unquoted(raw), start, stop)
    parts = []
    inside = ""
    for i, sign in enumerate(raw):
        if inside:
            inside = "" if sign == inside else inside
        elif sign in "\"'":
            inside = sign
        elif sign == ":":
            parts.append((_unquoted(raw[:i]), _unquoted(raw[i + 1 :])))
    if not parts and ('"' in raw or "'" in raw):
        raise _error(text, start, "a quote stands inside a name; put the whole name in quotes")
    return Name(raw, start, stop, tuple(parts))


def _unquoted(text: str) -> str:
    text = text.strip()
    if len(text) >= 2 and text[0] in "\"'" and text[-1] == text[0]:
        return text[1:-1].replace(text[0] * 2, text[0])
    return text


def _error(text: str, place: int, what: str) -> InputError:
    shown = text[max(0, place - 20) : place + 20].strip()
    here = f' (at "{text[place : place + 12].strip()}" in "{shown}")' if place < len(text) else ""
    return InputError(
        f'The expression cannot be read at character {place + 1}{here}: {what}. Write it like "CD8 & !(CD4 | FoxP3)".'
    )
