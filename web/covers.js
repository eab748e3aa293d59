// Draws a cover for a show without a picture: the same for the same kind and name, in colours that
// follow light and dark (`.art` in style.css).

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT] = [640, 360];
const TONES = 6;

/** The cover of a show, as an element. It tells nothing that the text beside it does not. */
export function drawing({ category, name }, className) {
  const random = randomness(`${category} ${name}`);
  const tone = Math.floor(random() * TONES);
  const art = shape("svg", { class: `${className} art`, viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "xMidYMid slice", "aria-hidden": "true", focusable: "false" });
  art.dataset.tone = tone;
  art.append(shape("rect", { class: "ground", width: WIDTH, height: HEIGHT }), ...(MOTIFS[category] ?? MOTIFS.other)(random));
  return art;
}

/** Numbers from 0 to 1 that follow from a text (FNV-1a, then mulberry32). */
function randomness(text) {
  let state = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) state = Math.imul(state ^ byte, 0x01000193);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function shape(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, typeof value === "number" ? Math.round(value * 10) / 10 : value);
  return element;
}

const between = (random, low, high) => low + random() * (high - low);
const circle = (paint, cx, cy, r) => shape("circle", { class: paint, cx, cy, r });
const path = (paint, d) => shape("path", { class: paint, d });
const times = (count, make) => Array.from({ length: count }, (_, index) => make(index));
/** One of the three paints, in turn. */
const paint = (index) => `p${(index % 3) + 1}`;

const MOTIFS = {
  /** Sound that spreads, and what plays it as bars. */
  concert(random) {
    const [x, y] = [between(random, 120, 520), between(random, 40, 150)];
    const rings = times(5, (index) => circle(paint(index), x, y, 300 - index * between(random, 48, 58)));
    const bars = times(20, (index) => {
      const height = between(random, 20, 90) + 90 * Math.abs(Math.sin(index / between(random, 2.6, 3.4)));
      return shape("rect", { class: "dark", x: index * 32 + 5, y: HEIGHT - height, width: 22, height: height + 20, rx: 11 });
    });
    return [...rings, ...bars];
  },
  /** Lanes of a track around a field, seen from above. */
  sports(random) {
    const [x, y] = [between(random, 60, 580), between(random, 300, 420)];
    const lanes = times(6, (index) => circle(index % 2 ? "ground" : paint(index / 2), x, y, 430 - index * 52));
    const slope = between(random, 90, 220);
    const side = x > WIDTH / 2 ? 0 : WIDTH;
    const lines = times(3, (index) => {
      const at = Math.abs(side - 40 - index * 46);
      return path("line", `M${at} -10L${at + (side ? -slope : slope)} ${HEIGHT + 10}`);
    });
    return [...lanes, circle("dark", x, y, 82), ...lines, circle("light", WIDTH - x * 0.8 - 30, between(random, 60, 120), 30)];
  },
  /** A curtain that opens, and a moon behind it. */
  theatre(random) {
    const middle = between(random, 250, 390);
    const folds = [];
    for (const [from, to] of [[-20, middle - 60], [WIDTH + 20, middle + 60]]) {
      const count = 6;
      for (let index = count; index > 0; index -= 1) {
        const edge = from + ((to - from) * index) / count;
        const hem = from + ((to - from) * index * between(random, 0.4, 0.5)) / count;
        folds.push(path(index % 2 ? "p1" : "p2", `M${from} -10H${edge}Q${edge} 210 ${hem} ${HEIGHT + 10}H${from}Z`));
      }
    }
    const valance = times(9, (index) => circle("dark", index * 80, 0, 46));
    return [circle("light", middle, between(random, 150, 210), between(random, 60, 95)),
      path("p3", `M-10 ${HEIGHT}V320Q320 ${between(random, 280, 310)} 650 320V${HEIGHT}Z`), ...folds, ...valance];
  },
  /** A spotlight on a wall of bricks. */
  comedy(random) {
    const bricks = [];
    for (let row = 0; row < 8; row += 1) {
      for (let column = -1; column < 8; column += 1) {
        if (random() < 0.3) continue;
        bricks.push(shape("rect", { class: random() < 0.2 ? "p2" : "p1", x: column * 92 + (row % 2) * 46 + 3, y: row * 46 + 3, width: 86, height: 40, rx: 5 }));
      }
    }
    const [top, foot] = [between(random, 60, 580), between(random, 220, 420)];
    return [...bricks, path("beam", `M${top - 14} -10L${foot - 140} 320H${foot + 140}L${top + 14} -10Z`),
      shape("ellipse", { class: "light", cx: foot, cy: 322, rx: 150, ry: 30 }),
      shape("rect", { class: "dark", x: foot - 4, y: 180, width: 8, height: 142, rx: 4 }),
      shape("rect", { class: "dark", x: foot - 15, y: 140, width: 30, height: 56, rx: 15 }),
      shape("ellipse", { class: "dark", cx: foot, cy: 322, rx: 38, ry: 8 })];
  },
  /** Rays of a low sun, hills, and tents. */
  festival(random) {
    const [x, y] = [between(random, 180, 460), between(random, 190, 240)];
    const turn = random();
    const rays = times(14, (index) => {
      const [from, to] = [0.1, 0.5].map((part) => ((index + part + turn) / 14) * 2 * Math.PI);
      const point = (angle) => `${(x + 700 * Math.cos(angle)).toFixed(1)} ${(y + 700 * Math.sin(angle)).toFixed(1)}`;
      return path("p1", `M${x} ${y}L${point(from)}L${point(to)}Z`);
    });
    const hill = (paint, height) => path(paint, `M-10 ${HEIGHT + 10}V${height}Q${between(random, 100, 260)} ${height - between(random, 30, 80)} 320 ${height}T650 ${height - 10}V${HEIGHT + 10}Z`);
    const tents = times(4, (index) => {
      const [left, base, size] = [index * 165 + between(random, 0, 70), HEIGHT - between(random, 8, 30), between(random, 50, 90)];
      return path(index % 2 ? "light" : "dark", `M${left} ${base}L${left + size / 2} ${base - size}L${left + size} ${base}Z`);
    });
    return [...rays, circle("light", x, y, between(random, 62, 84)), hill("p2", 270), hill("p3", 310), ...tents];
  },
  /** Tickets that lie about. */
  other(random) {
    return times(7, (index) => {
      const [x, y] = [between(random, -40, 560), between(random, -30, 300)];
      const stub = shape("path", { class: ["p1", "p2", "p3", "light"][index % 4], d: "m0 12A12 12 0 0 1 12 0H168A12 12 0 0 1 180 12V36A14 14 0 0 0 180 64V88A12 12 0 0 1 168 100H12A12 12 0 0 1 0 88V64A14 14 0 0 0 0 36Z" });
      stub.setAttribute("transform", `translate(${Math.round(x)} ${Math.round(y)}) rotate(${Math.round(between(random, -35, 35))}) scale(${between(random, 0.9, 1.7).toFixed(2)})`);
      return stub;
    });
  },
};
