"""The label of every control can be read in every state and both themes (WCAG 2.2 AA)."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page

from models.settings import CHECKOUT

pytestmark = pytest.mark.browser

STATIC = CHECKOUT / "web_console" / "static"
SHEETS = {
    "plain": ("base", "plain"),
    "console": ("base", "console", "detail"),
    "field": ("base", "field"),
}
LEAST = 4.5
BUTTON = re.compile(r'class="(button[^"]*)"')
KIND = re.compile(r'<\$\{OrderButton\} kind="([^"]*)"')
GROUPS = {
    "plain": [('<div class="admin-tabs">{}</div>', "button")],
    "console": [
        ('<div class="tabs">{}</div>', ""),
        ('<div class="segmented">{}</div>', ""),
        ('<div class="segmented">{}</div>', "is-exercise"),
        ('<div class="leftswitch">{}</div>', ""),
        ('<div class="map-tools">{}</div>', "iconbutton"),
        ('<div class="map-tools">{}</div>', "iconbutton danger"),
        ('<div class="menu">{}</div>', ""),
        ("{}", "iconbutton text"),
        ("{}", "linkish"),
    ],
    "field": [
        ('<div class="kinds">{}</div>', "kind"),
        ('<div class="field-tabs">{}</div>', ""),
        ('<div class="act">{}</div>', "button primary"),
        ("{}", "iconbutton"),
    ],
}
# Colours as they come out on the screen: grounds and opacities of all that lies behind, laid
# over one another.
CONTRAST = """element => {
  const parse = (text) => {
    const n = text.match(/[\\d.]+/g).map(Number);
    return [n[0], n[1], n[2], n[3] ?? 1];
  };
  const over = ([r, g, b, a], [R, G, B]) =>
    [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a)];
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((v) => v / 255)
      .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const chain = [];
  for (let at = element; at; at = at.parentElement) chain.unshift(at);
  let ground = [255, 255, 255];
  let text = ground;
  for (const at of chain) {
    const style = getComputedStyle(at);
    if (style.filter !== 'none') throw new Error(`a filter: ${style.filter}`);
    const behind = ground;
    const mine = over(parse(style.backgroundColor), behind);
    const ink = over(parse(style.color), mine);
    const opacity = Number(style.opacity);
    ground = over([...mine, opacity], behind);
    text = over([...ink, opacity], behind);
  }
  const [dark, light] = [luminance(ground), luminance(text)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}"""


def button_classes() -> list[str]:
    """Return every class attribute that a button of our pages has."""
    sources = "\n".join(
        path.read_text(encoding="utf-8")
        for folder in ("admin", "console", "field", "lib", "signin")
        for path in sorted((STATIC / folder).glob("*.js"))
    )
    written = {one for one in BUTTON.findall(sources) if "$" not in one}
    kinds = {f"button {kind}" for kind in KIND.findall(sources)}
    chosen = {"button primary", "button danger", "button big primary", "button big danger"}
    found = sorted(written | kinds | chosen)
    assert len(found) > 10, "the pages write their buttons in another way now"
    return found


def shown(page: Page, name: str, theme: str) -> list[str]:
    """Show a page's controls with its style sheets; return their names, in order."""
    css = "\n".join((STATIC / "css" / f"{one}.css").read_text("utf-8") for one in SHEETS[name])
    controls: list[tuple[str, str, str]] = [("{}", one, "") for one in button_classes()]
    controls += [("{}", one, "disabled") for one in button_classes()]
    controls += [("{}", one, 'disabled aria-busy="true"') for one in button_classes()]
    for frame, classes in GROUPS[name]:
        controls += [
            (frame, classes, ""),
            (frame, classes, 'aria-pressed="true" aria-selected="true"'),
        ]
    body = ""
    for n, (frame, classes, rest) in enumerate(controls):
        button = f'<button class="{classes}" data-n="{n}" {rest}>Send 派</button>'
        # Each apart from the others: what lies over another would take the mouse.
        body += f'<section style="position:relative;height:120px">{frame.format(button)}</section>'
    page.set_content(
        f'<html data-theme="{theme}"><style>{css}\n'
        f"html,body{{overflow:auto;height:auto}} .menu,.map-tools{{position:static}}"
        f'</style><body style="background:var(--panel)">{body}</body></html>'
    )
    return [" ".join(part for part in (*one,) if part) for one in controls]


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("name", SHEETS)
def test_labels_are_read_at_rest_under_the_mouse_focused_pressed_and_disabled(
    browser: Browser, name: str, theme: str
) -> None:
    page = browser.new_page(reduced_motion="reduce")
    poor = []
    for n, control in enumerate(shown(page, name, theme)):
        button = page.locator(f'[data-n="{n}"]')
        ratios = {"rest": button.evaluate(CONTRAST)}
        if "disabled" not in control:
            button.focus()
            ratios["focus"] = button.evaluate(CONTRAST)
        button.hover(force=True)
        ratios["hover"] = button.evaluate(CONTRAST)
        if "disabled" not in control:
            page.mouse.down()
            ratios["active"] = button.evaluate(CONTRAST)
            page.mouse.up()
        page.mouse.move(0, 0)
        poor += [
            f"{control} {state} {ratio:.1f}" for state, ratio in ratios.items() if ratio < LEAST
        ]
    page.close()
    assert poor == []
