"""What a drawn figure becomes: a PNG beside report.md, and SVG inside report.html.

The SVG takes its colours from the page, light or dark, and its text is text. It names nothing outside itself, no
date and no version, and is the same for the same figure.
"""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET

import matplotlib
from matplotlib.figure import Figure

from jaxreg.report.figures import style
from jaxreg.report.figures.tips import areas
from jaxreg.report.parts import Picture

COLOUR = re.compile(r"#[0-9a-f]{6}\b")
FAMILIES = re.compile(r"'[^;]*")  # the page has its own
FRACTION = re.compile(r"(\d\.\d\d)\d+")
NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # by its grammar, production 2
REFERENCE = re.compile(r"#(\w+)")
MOST_SVG = 300_000  # bytes: many long curves are smaller as PNG
DRAWN = ("d", "x", "y", "transform", "width", "height")


def picture(name: str, alt: str, caption: str, figure: Figure) -> Picture:
    """The figure, painted."""
    return Picture(name, alt, caption, *painted(figure, name))


def painted(figure: Figure, name: str) -> tuple[bytes, str]:
    """The figure as PNG, and as SVG where that is not larger than `MOST_SVG`."""
    png, drawn = style.png(figure), svg(figure, name)
    return png, drawn if len(drawn) <= MOST_SVG else ""


def svg(figure: Figure, name: str) -> str:
    """A figure that has been painted before, as an <svg> element whose ids begin with `name`."""
    figure.set_layout_engine("none")  # it has been laid out
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", transparent=True)
    root = ET.fromstring(NO_XML.sub("\ufffd", buffer.getvalue()))
    for parent in list(root.iter()):
        for child in [child for child in parent if child.tag.endswith(("}metadata", "}style"))]:
            parent.remove(child)
    referred = {found for one in root.iter() for value in one.attrib.values() for found in REFERENCE.findall(value)}
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        element.text = (element.text or "").strip() if element.tag not in ("text", "tspan") else element.text
        element.tail = (element.tail or "").strip()
        element.attrib = {key.rpartition("}")[2]: value for key, value in element.attrib.items()}
        _themed(element, name, referred)
    root.attrib = {"viewBox": root.attrib["viewBox"]}
    over = ET.SubElement(root, "g", {"class": "tips"})
    for area in areas(figure):
        place = {key: f"{getattr(area, key):.1f}" for key in ("x", "y", "width", "height")}
        ET.SubElement(ET.SubElement(over, "rect", place), "title").text = area.text
    return ET.tostring(root, encoding="unicode")


def _themed(element: ET.Element, name: str, referred: set[str]) -> None:
    """Colours of the page, no more decimals than can be seen, and ids only where something refers to them."""
    given = element.attrib
    own = given.pop("id", None)
    if own in referred:
        given["id"] = f"{name}-{own}"
    elif own == style.AS_IT_IS:
        given["class"] = own
    for key, value in given.items():
        if key == "style":
            given[key] = COLOUR.sub(lambda found: style.themed(found[0]), FAMILIES.sub("sans-serif", value))
        elif key in DRAWN:
            given[key] = FRACTION.sub(r"\1", " ".join(value.split()))
        elif key == "href" and value.startswith("data:"):
            given[key] = "".join(value.split())
        elif key in ("href", "clip-path"):
            given[key] = REFERENCE.sub(rf"#{name}-\1", value)
