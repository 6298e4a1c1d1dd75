"""A strict reading of an HTML page: what is open is closed in its order, nothing is asked of elsewhere."""

from html.parser import HTMLParser

VOID = {"meta", "img", "link", "br", "hr", "input", "base", "source"}
ASKING = {"src", "href", "srcset", "data", "action", "poster", "background", "xlink:href"}


class Page(HTMLParser):
    """``text`` by element, ``tags`` in order; fails at an element that is closed in another order than opened."""

    def __init__(self, content: str):
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.texts: list[tuple[str, str]] = []
        self.images: list[dict[str, str]] = []
        self.declarations: list[str] = []
        self.feed(content)
        self.close()
        assert self.open == [], f"never closed: {self.open}"

    def handle_decl(self, declaration):
        self.declarations.append(declaration)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        names = [name for name, _ in attributes]
        assert len(set(names)) == len(names) and not any(name.startswith("on") for name in names), (tag, names)
        for name, value in attributes:
            assert name not in ASKING or value.startswith("data:image/png;base64,"), (tag, name, value[:80])
        if tag == "img":
            self.images.append(dict(attributes))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> in {self.open}"
        self.open.pop()

    def handle_data(self, text):
        if text.strip():
            self.texts.append((self.open[-1] if self.open else "", text))
            if self.open and self.open[-1] == "style":
                assert "url(" not in text and "@import" not in text

    def all(self, tag: str) -> list[str]:
        """The texts right within elements of that tag."""
        return [text for inner, text in self.texts if inner == tag]

    @property
    def text(self) -> str:
        return " ".join(" ".join(text for tag, text in self.texts if tag != "style").split())
