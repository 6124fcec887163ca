"""Boolean expressions over names: compared with Python's own sets, and what nobody sane would type."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from celltune_nb.data.expressions import joined, parse, quoted
from celltune_nb.errors import InputError

EVERYTHING = frozenset(range(64))
#: Name → the numbers that have one bit set.
SETS = {
    name: frozenset(n for n in EVERYTHING if n >> bit & 1)
    for bit, name in enumerate(["CD8", "T helper", "CD4 (low)", "a:b", 'say "x"', "HLA-DR+"])
}


def evaluate(text: str) -> frozenset[int]:
    return parse(text).evaluate(
        lambda name: SETS[name.text], frozenset.__and__, frozenset.__or__, lambda a: EVERYTHING - a
    )


names = st.sampled_from(sorted(SETS)).map(lambda name: (quoted(name), SETS[name]))
expressions = st.recursive(
    names,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda p: (f"({p[0][0]}) & ({p[1][0]})", p[0][1] & p[1][1])),
        st.tuples(inner, inner).map(lambda p: (f"({p[0][0]})|({p[1][0]})", p[0][1] | p[1][1])),
        inner.map(lambda p: (f"!({p[0]})", EVERYTHING - p[1])),
        inner.map(lambda p: (f"! ! ({p[0]} )", p[1])),
    ),
    max_leaves=12,
)


@given(expressions)
def test_an_expression_means_what_sets_say(pair):
    text, meaning = pair
    assert evaluate(text) == meaning


@given(st.lists(st.sampled_from(["CD8", "T helper", "HLA-DR+"]), min_size=2, max_size=6), st.data())
def test_not_binds_tighter_than_and_than_or(found, data):
    text = python = ""
    for i, name in enumerate(found):
        sign = data.draw(st.sampled_from(["&", "|"])) if i else ""
        negated = data.draw(st.booleans())
        text += f" {sign} {'!' if negated else ''}{name}"
        # Python's own & binds tighter than its |, too.
        python += f" {sign} {'(E - ' if negated else '('}S[{name!r}])"
    assert evaluate(text) == eval(python, {"S": SETS, "E": EVERYTHING})


@settings(max_examples=50)
@given(st.text(min_size=1, max_size=30))
def test_any_name_can_be_quoted(name):
    (found,) = parse(quoted(name)).names
    assert found.text == name


@given(st.text(alphabet="ab &|!():\"' ", max_size=40))
def test_whatever_is_typed_is_read_or_refused_in_a_sentence(text):
    said = "cannot be read at character"
    try:
        parse(text)
    except InputError as error:
        said = str(error)
    assert "cannot be read at character" in said


@pytest.mark.parametrize(
    ("text", "character"),
    [
        ("CD8 & & CD4", 7), ("CD8 &", 6), ("(CD8 | CD4", 1), ("CD8)", 4), ("", 1), ("CD8 !CD4", 5), ('CD8 & "CD4', 7),
        ("& CD8", 1), ("(CD8)(CD4)", 6), ("()", 2), ("!", 2), ('a "b" c', 1),
    ],
)  # fmt: skip
def test_an_error_points_at_the_character(text, character):
    with pytest.raises(InputError, match=rf"at character {character}\b"):
        parse(text)


def test_a_category_can_be_named_with_its_set():
    (name,) = parse('Pred_AVG:CD8 T & "My set":"a:b"').names[:1]
    assert name.parts == (("Pred_AVG", "CD8 T"),)
    assert parse('"My set":"a:b"').names[0].parts == (("My set", "a:b"),)
    assert parse("CD8/Pred_AVG:ON").names[0].parts == (("CD8/Pred_AVG", "ON"),)
    assert ("a:b", "c") in parse("a:b:c").names[0].parts


def test_names_are_replaced_where_they_stand():
    expression = parse("A & !(B | A)")
    assert expression.renamed(
        {name.start: '"Long (A)"' for name in expression.names if name.text == "A"}
    ) == ('"Long (A)" & !(B | "Long (A)")')


def test_expressions_are_joined_with_brackets_where_they_need_them():
    assert joined(["A | B", "", "C"]) == "(A | B) & C"
    assert joined(["A | B"]) == "A | B"
    assert joined([]) == ""


@pytest.mark.parametrize(
    "text",
    [
        "(" * 100_000 + "a" + ")" * 100_000,
        "(" * 4_000 + "a" + ")" * 4_000,
        "a&" * 500_000 + "a",
        '"' + "x" * 1_000_000,
        "!" * 9_999,
        '"' * 9_999,
        " " * 9_999,
        "__import__('os').system('true')",
    ],
)
def test_a_hostile_expression_is_refused_at_once(text):
    began = time.process_time()
    with pytest.raises(InputError):
        parse(text)
    assert time.process_time() - began < 0.5


def test_what_is_no_text_is_refused():
    with pytest.raises(InputError, match="is no expression"):
        parse(None)
