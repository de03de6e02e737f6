"""Horizontal bars with whiskers as SVG, without a library."""

import dataclasses
import statistics
from xml.sax.saxutils import escape

COLOURS = {"osync": "#2266aa", "rsync": "#b0b0b0"}
WIDTH, LEFT, RIGHT = 860, 90, 110
BAR, GAP, TITLE = 18, 6, 24


@dataclasses.dataclass
class Group:
    title: str
    values: dict  # peer -> measured values, none where all failed


def text(x, y, content, size=12, anchor="start", colour="#222"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{colour}">'
            f"{escape(content)}</text>")


def line(x1, y1, x2, y2):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#222" stroke-width="1"/>'


def bar(peer, values, top, scale):
    """One peer's bar, its whisker, and the numbers."""
    middle = top + BAR / 2
    parts = [text(LEFT - 8, middle + 4, peer, anchor="end")]
    if not values:
        return parts + [text(LEFT + 4, middle + 4, "failed", colour="#a00")]
    median, low, high = statistics.median(values), min(values), max(values)
    parts.append(f'<rect x="{LEFT}" y="{top:.1f}" width="{median * scale:.1f}" height="{BAR}" '
                 f'fill="{COLOURS.get(peer, "#888888")}"/>')
    if len(values) > 1:
        parts.append(line(LEFT + low * scale, middle, LEFT + high * scale, middle))
        parts += [line(LEFT + edge * scale, middle - 4, LEFT + edge * scale, middle + 4) for edge in (low, high)]
    return parts + [text(LEFT + high * scale + 6, middle + 4, f"{median:.2f} s")]


def bars(title, note, groups):
    """The picture. Each group has a scale of its own: what is compared are its bars, not the groups."""
    parts, top = [text(12, 24, title, size=16)], 44
    for group in groups:
        longest = max((max(values) for values in group.values.values() if values), default=1.0)
        scale = (WIDTH - LEFT - RIGHT) / longest
        parts.append(text(LEFT, top + 14, group.title, size=13))
        top += TITLE
        for peer, values in group.values.items():
            parts += bar(peer, values, top, scale)
            top += BAR + GAP
        top += 12
    parts.append(text(12, top + 6, note, size=10, colour="#666"))
    height = top + 18
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
            f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif">\n'
            f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>\n' + "\n".join(parts) + "\n</svg>\n")
