"""Looks for links of a site that lead nowhere, and for what it would fetch from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# By tag: what names something that the browser fetches by itself.
_FETCHED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}


class _Page(HTMLParser):
    """The links of a page, what it fetches, and the places in it that a link may name."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.places = {"", "top"}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.places.update(given[name] for name in ("id", "name") if name in given)
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag in _FETCHED and _FETCHED[tag] in given and given.get("rel") != "canonical":
            self.fetched.append(given[_FETCHED[tag]])


def flaws(site: Path) -> Iterator[str]:
    """A line for each link within the site that leads nowhere, and each thing that it fetches from elsewhere."""
    pages = {path.resolve(): _Page(path.read_text()) for path in site.rglob("*.html")}
    for path, page in pages.items():
        shown = path.relative_to(site.resolve())
        for link in (*page.links, *page.fetched):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                if link in page.fetched and parts.scheme != "data":
                    yield f"{shown}: fetches {link}"
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.is_file():
                yield f"{shown}: {link}: no such file"
            elif target in pages and unquote(parts.fragment) not in pages[target].places:
                yield f"{shown}: {link}: no such place in it"
    for path in site.rglob("*.css"):
        text = path.read_text()
        yield from (f"{path.relative_to(site)}: {word}" for word in ("url(http", "url(//", "@import") if word in text)
