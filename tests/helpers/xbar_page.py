"""A page of HTML, read as strictly as a test needs it."""

from html.parser import HTMLParser


class Page(HTMLParser):
    """Every tag closed in order; collects text and what the page refers to."""

    VOID = frozenset({"meta", "img", "br"})

    def __init__(self, text):
        super().__init__()
        self.open, self.text, self.references = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        assert tag not in {"script", "link", "iframe", "object", "embed"}
        self.references += [v for name, v in attrs if name in {"src", "href", "srcset", "data"}]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)
