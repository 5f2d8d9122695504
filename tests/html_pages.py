"""HTML as a browser would read it, for tests of what is in a page."""

from __future__ import annotations

import warnings
import xml.etree.ElementTree as ET

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import html5lib

UNSEEN = ("svg", "script", "style", "title", "nav")


def parsed(text: str) -> ET.Element:
    """A page by the standard's own algorithm, strictly: what is no valid HTML is an error."""
    return html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(text)


def tag(element: ET.Element) -> str:
    return str(element.tag).rpartition("}")[2]


def words(element: ET.Element, without: tuple[str, ...] = UNSEEN) -> str:
    """What a reader sees of it, without white space."""
    if tag(element) in without:
        return "".join((element.tail or "").split())
    inside = (element.text or "") + "".join(words(child, without) for child in element)
    return "".join(inside.split()) + "".join((element.tail or "").split())


def kinds(element: ET.Element) -> list[str]:
    """The elements of a page in their order, figures as one."""
    return [tag(element)] + [kind for child in element if tag(element) != "svg" for kind in kinds(child)]
