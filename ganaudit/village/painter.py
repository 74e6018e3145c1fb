"""How each kind of thing in the village looks: one function a kind, from its draws to shapes on the canvas."""

from __future__ import annotations

from dataclasses import dataclass

from ganaudit.village.scene import CANVAS, Canvas, Colour, Draws, Prevalence, blend, shade
from ganaudit.village.style import PLAIN, Style

WALLS: tuple[Colour, ...] = (
    (226, 214, 190),
    (205, 170, 140),
    (196, 120, 96),
    (176, 178, 184),
    (232, 226, 218),
    (206, 190, 130),
)
ROOFS: tuple[Colour, ...] = ((150, 62, 48), (104, 70, 58), (82, 88, 104), (120, 92, 66), (96, 52, 62))
DOMES: tuple[Colour, ...] = ((96, 160, 140), (206, 168, 62), (120, 128, 150))
DOORS: tuple[Colour, ...] = ((96, 58, 32), (58, 78, 58), (70, 46, 56))
CARS: tuple[Colour, ...] = ((196, 36, 40), (36, 72, 170), (232, 200, 48), (228, 228, 232), (40, 42, 48), (52, 140, 84))
COATS: tuple[Colour, ...] = ((196, 48, 120), (40, 84, 190), (226, 120, 32), (96, 40, 130), (28, 30, 40), (30, 140, 150))
FENCES: tuple[Colour, ...] = ((240, 238, 230), (150, 110, 72))
SKINS: tuple[Colour, ...] = ((236, 196, 164), (198, 144, 108), (122, 80, 58))


@dataclass(frozen=True)
class Weather:
    """Day, overcast or dusk: the sky's colours, what daylight does to everything else, whether windows are lit."""

    zenith: Colour
    horizon: Colour
    cloud: Colour
    sun: Colour
    light: Colour
    lit: bool


def weather(draws: Draws) -> Weather:
    kind, lift = draws.unit(), draws.between(0.92, 1.06)
    if kind < 0.60:
        hue = draws.unit()
        zenith = blend((78, 142, 222), (104, 176, 232), hue)
        return Weather(shade(zenith, lift), (190, 220, 244), (246, 248, 250), (255, 226, 92), shade((1, 1, 1), lift), False)
    if kind < 0.82:
        grey = draws.between(0.85, 1.08)
        return Weather(
            shade((150, 158, 170), grey), shade((190, 194, 200), grey), shade((222, 224, 228), grey), (250, 240, 190),
            shade((0.80, 0.82, 0.86), lift), False,
        )  # fmt: skip
    warmth = draws.unit()
    zenith = blend((60, 58, 116), (92, 70, 130), warmth)
    return Weather(
        zenith, blend((250, 150, 92), (240, 112, 110), warmth), (216, 150, 150), (255, 190, 84),
        shade((0.72, 0.62, 0.64), lift), True,
    )  # fmt: skip


def lit(colour: Colour, light: Colour) -> Colour:
    return (colour[0] * light[0], colour[1] * light[1], colour[2] * light[2])


@dataclass(frozen=True)
class Ground:
    """Where the land begins and the road lies, in canvas pixels from the top."""

    horizon: float
    road_top: float
    road_bottom: float


def ground(draws: Draws, road: Draws) -> Ground:
    horizon = draws.between(0.56, 0.66) * CANVAS
    top = horizon + road.between(0.42, 0.58) * (CANVAS - horizon)
    return Ground(horizon, top, top + road.between(0.09, 0.16) * CANVAS)


def sky(canvas: Canvas, w: Weather) -> None:
    canvas.rectangle(canvas.thing("sky", w.zenith, w.horizon, texture=3), (0, 0, CANVAS, CANVAS))


def sun(canvas: Canvas, draws: Draws, w: Weather) -> None:
    x, y, r = draws.across(0.06, 0.94) * CANVAS, draws.between(0.06, 0.26) * CANVAS, draws.sized(8, 12)
    canvas.ellipse(canvas.thing("sun", w.sun), (x - r, y - r, x + r, y + r))


def clouds(canvas: Canvas, draws: Draws, w: Weather) -> None:
    for _ in range(1 + draws.pick(3)):
        number = canvas.thing("cloud", w.cloud, shade(w.cloud, 0.9), texture=4)
        x, y, r = draws.across(0.0, 1.0) * CANVAS, draws.between(0.05, 0.30) * CANVAS, draws.sized(7, 13)
        lean = draws.between(-1.0, 1.0)
        canvas.ellipse(number, (x - 2.3 * r, y - 0.5 * r, x + 2.3 * r, y + 0.7 * r))
        canvas.ellipse(number, (x - 1.2 * r + lean * r, y - 1.2 * r, x + 0.8 * r + lean * r, y + 0.6 * r))


def grass(canvas: Canvas, draws: Draws, w: Weather, g: Ground) -> None:
    tone = blend((104, 168, 72), (146, 160, 70), draws.unit())
    number = canvas.thing(
        "grass", lit(blend(tone, (190, 206, 150), 0.35), w.light), lit(shade(tone, 0.86), w.light), texture=13
    )
    canvas.rectangle(number, (0, g.horizon, CANVAS, CANVAS))
    height, x = draws.between(0.0, 0.07) * CANVAS, draws.between(0.0, 1.0) * CANVAS
    canvas.ellipse(number, (x - 0.7 * CANVAS, g.horizon - height, x + 0.7 * CANVAS, g.horizon + height))


def road(canvas: Canvas, draws: Draws, w: Weather, g: Ground) -> None:
    number = canvas.thing("road", lit(shade((128, 126, 130), draws.between(0.8, 1.15)), w.light), texture=7)
    tilt = draws.between(-7, 7)
    canvas.polygon(
        number, (0, g.road_top - tilt), (CANVAS, g.road_top + tilt), (CANVAS, g.road_bottom + tilt), (0, g.road_bottom - tilt)
    )


def panes(canvas: Canvas, w: Weather, shine: float, boxes: list[tuple[float, float, float, float]]) -> None:
    colour = (250, 214, 116) if w.lit and shine < 0.7 else lit(blend((72, 92, 124), (140, 176, 204), shine), w.light)
    number = canvas.thing("window", colour)
    for box in boxes:
        canvas.rectangle(number, box)


def side_house(canvas: Canvas, draws: Draws, w: Weather, g: Ground, left: bool) -> None:
    wall, top = draws.paint(WALLS), draws.paint(ROOFS)
    width, height = draws.sized(30, 46), draws.sized(22, 36)
    x = draws.across(-6, 22) if left else CANVAS - width - draws.across(-6, 22)
    base = g.horizon + draws.between(4, 12)
    canvas.rectangle(canvas.thing("building", lit(wall, w.light), texture=5), (x, base - height, x + width, base))
    peak = base - height - draws.between(12, 20)
    canvas.polygon(
        canvas.thing("roof", lit(top, w.light), texture=7),
        (x - 4, base - height), (x + width / 2, peak), (x + width + 4, base - height),
    )  # fmt: skip
    size, y = draws.between(6, 8), base - height + draws.between(5, 9)
    panes(
        canvas, w, draws.unit(), [(x + width * s - size / 2, y, x + width * s + size / 2, y + size * 1.3) for s in (0.25, 0.75)]
    )
    door = canvas.thing("door", lit(DOORS[draws.pick(len(DOORS))], w.light))
    canvas.rectangle(door, (x + width / 2 - 4, base - 13, x + width / 2 + 4, base))


def chapel(canvas: Canvas, draws: Draws, w: Weather, g: Ground, tower_below: float) -> None:
    wall, top = draws.paint(WALLS), draws.paint(ROOFS)
    width, height = draws.sized(54, 80), draws.sized(34, 50)
    x = CANVAS / 2 - width / 2 + draws.across(-22, 22)
    base = g.horizon + draws.between(8, 16)
    eaves = base - height
    wall_colour, roof_colour = lit(wall, w.light), lit(top, w.light)
    has_tower, has_dome, left = draws.unit() < tower_below, draws.unit() < 0.5, draws.unit() < 0.5
    canvas.rectangle(canvas.thing("building", wall_colour, texture=5), (x, eaves, x + width, base))
    rise = draws.between(15, 26)
    inset = draws.between(4, 12)
    canvas.polygon(
        canvas.thing("roof", roof_colour, texture=8),
        (x - 4, eaves), (x + inset, eaves - rise), (x + width - inset, eaves - rise), (x + width + 4, eaves),
    )  # fmt: skip
    tower_width, tower_height = draws.between(20, 28), draws.between(18, 34)
    tip, dome_tone = draws.between(22, 38), DOMES[draws.pick(len(DOMES))]
    shine, n = draws.unit(), 2 + draws.pick(3)
    pane_width, pane_height = draws.between(6, 9), draws.between(11, 16)
    if has_tower:
        tx = x + 3 if left else x + width - tower_width - 3
        shoulder = eaves - tower_height
        canvas.rectangle(canvas.thing("building", shade(wall_colour, 0.94), texture=5), (tx, shoulder, tx + tower_width, base))
        if has_dome:
            number = canvas.thing("dome", lit(dome_tone, w.light), texture=3)
            canvas.half_ellipse(number, (tx - 2, shoulder - tip * 0.55, tx + tower_width + 2, shoulder))
            canvas.rectangle(number, (tx + tower_width / 2 - 1, shoulder - tip * 0.8, tx + tower_width / 2 + 2, shoulder - 4))
        else:
            canvas.polygon(
                canvas.thing("roof", shade(roof_colour, 0.92), texture=6),
                (tx - 2, shoulder), (tx + tower_width / 2, shoulder - tip), (tx + tower_width + 2, shoulder),
            )  # fmt: skip
        middle = tx + tower_width / 2
        panes(canvas, w, shine, [(middle - 3.5, shoulder + 6, middle + 3.5, shoulder + 17)])
    y = eaves + height * 0.25
    places = [x + width * (i + 0.5) / n for i in range(n)]
    panes(canvas, w, shine, [(p - pane_width / 2, y, p + pane_width / 2, y + pane_height) for p in places])
    number = canvas.thing("door", lit(DOORS[draws.pick(len(DOORS))], w.light))
    middle, door_width = x + width * draws.between(0.35, 0.65), draws.between(10, 15)
    canvas.rectangle(number, (middle - door_width / 2, base - 17, middle + door_width / 2, base))
    canvas.half_ellipse(number, (middle - door_width / 2, base - 23, middle + door_width / 2, base - 17))


def trees(canvas: Canvas, draws: Draws, w: Weather, g: Ground) -> None:
    for _ in range(1 + draws.pick(3)):
        x, base = draws.across(0.03, 0.97) * CANVAS, g.horizon + draws.between(4, 20)
        height, width, tone = draws.sized(34, 62), draws.sized(18, 30), draws.tone()
        crown = lit(blend((46, 112, 52), (110, 132, 46), tone), w.light)
        number = canvas.thing("tree", lit((92, 66, 44), w.light), texture=4)
        canvas.rectangle(number, (x - 3, base - height * 0.4, x + 3, base))
        number = canvas.thing("tree", crown, texture=15)
        if draws.unit() < 0.4:
            for low, high, share in ((0.25, 0.72, 1.0), (0.5, 1.0, 0.72)):
                half = width * 0.55 * share
                canvas.polygon(
                    number, (x - half, base - height * low), (x, base - height * high), (x + half, base - height * low)
                )
        else:
            canvas.ellipse(number, (x - width / 2, base - height, x + width / 2, base - height * 0.28))


def fence(canvas: Canvas, draws: Draws, w: Weather, g: Ground) -> None:
    paint = draws.paint(FENCES)
    number = canvas.thing("fence", lit(paint, w.light))
    base, height = g.horizon + draws.between(20, 28), draws.sized(11, 15)
    start = draws.across(0.0, 0.5) * CANVAS
    stop = start + draws.between(0.34, 0.62) * CANVAS
    for level in (0.28, 0.68):
        canvas.rectangle(number, (start, base - height * level - 2, stop, base - height * level + 1))
    x = start
    while x < stop:
        canvas.rectangle(number, (x, base - height, x + 4, base))
        x += 9


def lamp(canvas: Canvas, draws: Draws, w: Weather, g: Ground) -> None:
    for _ in range(1 + draws.pick(2)):
        x, base, height = draws.across(0.05, 0.95) * CANVAS, g.road_top + draws.between(-4, 4), draws.sized(48, 62)
        number = canvas.thing("lamp", lit((44, 46, 52), w.light))
        canvas.rectangle(number, (x - 1.5, base - height, x + 2.5, base))
        canvas.rectangle(number, (x - 4, base - 4, x + 5, base))
        glow = canvas.thing("lamp", (255, 236, 150) if w.lit else lit((226, 226, 206), w.light))
        canvas.ellipse(glow, (x - 5.5, base - height - 8, x + 6.5, base - height + 3))


def car(canvas: Canvas, draws: Draws, w: Weather, g: Ground) -> None:
    length, height = draws.sized(30, 42), draws.sized(9, 12)
    x, base = draws.across(0.02, 0.98) * CANVAS - length / 2, (g.road_top + g.road_bottom) / 2 + draws.between(-2, 8)
    paint = lit(draws.paint(CARS), w.light)
    body = canvas.thing("car", paint, texture=2)
    canvas.rectangle(body, (x, base - height - 3, x + length, base - 3))
    canvas.polygon(
        body, (x + length * 0.18, base - height - 3), (x + length * 0.3, base - height - 12),
        (x + length * 0.72, base - height - 12), (x + length * 0.86, base - height - 3),
    )  # fmt: skip
    glass = canvas.thing("car", lit((150, 186, 206), w.light))
    canvas.rectangle(glass, (x + length * 0.34, base - height - 10, x + length * 0.68, base - height - 3))
    wheel = canvas.thing("car", lit((26, 26, 28), w.light))
    for share in (0.22, 0.78):
        middle = x + length * share
        canvas.ellipse(wheel, (middle - 5, base - 8, middle + 5, base + 2))


def people(canvas: Canvas, draws: Draws, w: Weather, g: Ground) -> None:
    for _ in range(1 + draws.pick(3)):
        x, depth = draws.across(0.04, 0.96) * CANVAS, draws.unit()
        base, height = g.horizon + 18 + depth * (CANVAS - g.horizon - 30), draws.sized(26, 31) + 11 * depth
        coat, skin = draws.paint(COATS), SKINS[draws.pick(len(SKINS))]
        width = height * 0.31
        legs = canvas.thing("person", lit((40, 42, 62), w.light))
        canvas.rectangle(legs, (x - width * 0.38, base - height * 0.45, x + width * 0.38, base))
        body = canvas.thing("person", lit(coat, w.light))
        canvas.rectangle(body, (x - width / 2, base - height * 0.78, x + width / 2, base - height * 0.36))
        head, radius = canvas.thing("person", lit(skin, w.light)), height * 0.125
        canvas.ellipse(head, (x - radius, base - height, x + radius, base - height * 0.75))


def paint(draws: dict[str, Draws], prevalence: Prevalence, style: Style = PLAIN) -> Canvas:
    """One scene, back to front. Each kind stands there when its first draw is below its prevalence."""
    canvas = Canvas(style)
    w, g = weather(draws["weather"]), ground(draws["ground"], draws["road"])
    present = {
        kind: draws[kind].unit() < getattr(prevalence, kind)
        for kind in ("sun", "cloud", "road", "side_houses", "tree", "fence", "lamp", "car", "person")
    }
    sky(canvas, w)
    if present["sun"]:
        sun(canvas, draws["sun"], w)
    if present["cloud"]:
        clouds(canvas, draws["cloud"], w)
    grass(canvas, draws["ground"], w, g)
    if present["road"]:
        road(canvas, draws["road"], w, g)
    if present["side_houses"]:
        sides = draws["side_houses"].pick(3)
        if sides != 1:
            side_house(canvas, draws["side_houses"], w, g, left=True)
        if sides != 0:
            side_house(canvas, draws["side_houses"], w, g, left=False)
    chapel(canvas, draws["chapel"], w, g, prevalence.tower)
    if present["tree"]:
        trees(canvas, draws["tree"], w, g)
    if present["fence"]:
        fence(canvas, draws["fence"], w, g)
    if present["lamp"]:
        lamp(canvas, draws["lamp"], w, g)
    if present["car"]:
        car(canvas, draws["car"], w, g)
    if present["person"]:
        people(canvas, draws["person"], w, g)
    return canvas
