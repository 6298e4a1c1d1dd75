import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.evaluation.pages import Page
from tfpt.evaluation.html import Html, element, escaped, facts, folded, joined, page, picture, table

HOSTILE = "<script>alert(1)</script> & \"quoted' $x ${y}"


def test_text_is_escaped_and_markup_is_not():
    assert escaped("<b> & \"'") == "&lt;b&gt; &amp; &quot;&#x27;" and escaped(Html("<b>")) == "<b>"
    assert escaped("a\x00b\x1b[31m\ud800") == r"a\x00b\x1b[31m\ud800"
    assert escaped("two\nlines 猫") == "two\nlines 猫" and escaped(7) == "7"


def test_elements_escape_content_and_attributes():
    assert element("p", "<", Html("<br>"), class_='a"b') == '<p class="a&quot;b">&lt;<br></p>'
    assert joined(["<", Html("<hr>")]) == "&lt;<hr>"


def test_a_table_says_what_heads_what():
    text = table(("class", "F1"), [("<cat>", "0.5")], numbers=(1,))
    assert '<th scope="col">class</th><th scope="col" class="number">F1</th>' in text
    assert '<th scope="row">&lt;cat&gt;</th><td class="number">0.5</td>' in text


def test_facts_without_a_value_are_left_out():
    assert facts([("a", 0), ("b", None), ("c", ""), ("d", "<")]) == (
        "<dl><dt>a</dt><dd>0</dd><dt>d</dt><dd>&lt;</dd></dl>")


def test_a_picture_is_within_the_page():
    text = picture(b"\x89PNG", 'a "picture"')
    assert text == (f'<img alt="a &quot;picture&quot;" src="data:image/png;base64,'
                    f'{base64.b64encode(bytes([0x89]) + b"PNG").decode()}">')


@pytest.mark.parametrize("text", [HOSTILE, "</title><script>", "$title", "猫 \x00"])
def test_a_page_is_whole_whatever_its_texts(text):
    content = page(text, joined([element("h1", text), folded(text, element("pre", text)), table((text,), [(text,)])]))
    found = Page(content)
    assert found.declarations == ["DOCTYPE html"] and "script" not in found.tags
    assert found.all("title") == found.all("h1") == found.all("pre") == [text.replace("\x00", r"\x00")]
    assert content.encode("utf-8")


@given(st.text())
def test_any_text_reads_as_it_is(text):
    readable = escaped_back(text)
    assert Page(str(element("p", text))).all("p") == ([readable] if readable.strip() else [])


def escaped_back(text):
    return "".join(letter if letter.isprintable() or letter in "\n\t" else ascii(letter)[1:-1] for letter in text)
