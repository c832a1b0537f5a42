// The page: what is seen and pressed. The arithmetic is network.js's, the training worker.js's.

const SIDE = 28;
const MODES = { input: "input × weights", weights: "weights", change: "what training changed" };
const TABS = { neuron: "Neuron", train: "Train it here", butterfly: "The butterfly" };
const RANKED = { highest: "Largest z", along: "Along the z axis, from the smallest z to the largest", lowest: "Smallest z" };
const $ = (id) => document.getElementById(id);
const times = { strokes: [] };

// --- What the page knows ----------------------------------------------------------------------

const { known, model, begin, own } = await unpack($("data").textContent);
const hidden = known.sizes[1];
const grid = new FixedPoint(known.sizes).parameter_scale;
const grey = known.never_lit ?? new Array(SIDE * SIDE).fill(false);

async function gunzipped(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function unpack(text) {
  const bytes = await gunzipped(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)));
  let at = bytes.indexOf(10);
  const known = JSON.parse(new TextDecoder().decode(bytes.subarray(0, at++)));
  const take = (length, bits) => {
    const [size, kind] = bits === null ? [8, Float64Array] : [4, Int32Array];
    const array = new kind(bytes.slice(at, (at += size * length)).buffer);
    return bits === null ? array : Float64Array.from(array, (v) => v / 2 ** bits);
  };
  const units = known.sizes.slice(1);
  const lengths = [...units.map((n, l) => n * known.sizes[l]), ...units];
  const layers = known.arrays.map((bits, i) => take(lengths[i % lengths.length], bits));
  const [weights, biases, ...start] = [0, 1, 2, 3].map(() => layers.splice(0, units.length));
  const arithmetic = known.arithmetic === "fixed-point" ? new FixedPoint() : new Float64();
  const model = Network.from_parameters({ sizes: known.sizes, weights, biases }, arithmetic);
  return { known, model, begin: { weights: start[0], biases: start[1] }, own: new Examples(bytes.slice(at), known.labels) };
}

// --- What is seen: the state, and the address that holds it ----------------------------------------

const fresh = () => ({
  image: null, digit: null, neuron: Math.max(known.names.indexOf("Jalebi"), 0), mode: known.start_known ? "change" : "weights",
  target: null, tab: "neuron", frozen: new Set(), deleted: new Set(),
});
let state = fresh();
let net = model; // the network that is shown
let base = begin; // what it was trained from
let album = own; // the images that can be stepped through
let places = known.places; // and their places among those of the split
let x = new Float64Array(SIDE * SIDE);
let strokes = [];

function read_address() {
  const given = new URLSearchParams(location.hash.slice(1));
  const numbers = (key) => (given.get(key) ?? "").split(".").filter((n) => /^\d+$/.test(n) && n in known.names).map(Number);
  state = fresh();
  for (const [key, choices] of [["mode", modes], ["tab", tabs]]) {
    if (choices.has(given.get(key)) && !choices.get(given.get(key)).disabled) state[key] = given.get(key);
  }
  [state.neuron = state.neuron] = numbers("neuron");
  if (/^\d$/.test(given.get("target"))) state.target = Number(given.get("target"));
  for (const key of ["frozen", "deleted"]) state[key] = new Set(numbers(key));
  const bytes = digit_bytes(given.get("digit") ?? "");
  const image = given.get("image") ?? places[known.rankings.highest[state.neuron][0]];
  if (bytes === null) show_image(places.indexOf(Number(image)));
  else show_digit(bytes);
}

function write_address() {
  const list = (set) => [...set].sort((a, b) => a - b).join(".");
  const parts = { ...state, frozen: list(state.frozen), deleted: list(state.deleted) };
  if (state.digit !== null) parts.image = null;
  const kept = Object.entries(parts).filter(([, value]) => value !== null && value !== "");
  history.replaceState(null, "", `#${new URLSearchParams(kept)}`);
}

function show_image(index) {
  index = Math.max(index, 0); // -1: there is no such image
  [state.image, state.digit, strokes] = [places[index], null, []];
  x = album.take([index])[0];
}

// A drawn digit has 16 levels of grey: a hexadecimal digit for each pixel, runs of zeros as _length.
function digit_text(bytes) {
  const levels = Array.from(bytes, (v) => (v / 17).toString(16)).join("");
  return levels.replace(/0{3,}/g, (run) => `_${run.length.toString(36)}.`);
}

function digit_bytes(text) {
  const levels = text.replace(/_([0-9a-z]+)\./g, (_, n) => "0".repeat(Math.min(parseInt(n, 36), SIDE * SIDE)));
  return /^[0-9a-f]{784}$/.test(levels) ? Uint8Array.from(levels, (level) => 17 * parseInt(level, 16)) : null;
}

function show_digit(bytes) {
  [state.image, state.digit] = [null, digit_text(bytes)];
  x = Float64Array.from(bytes, (v) => v / 256);
}

// --- What the network does ---------------------------------------------------------------------

const first_layer = (x) => net.arithmetic.sigmoid(weighted_input(net.weights[0], net.biases[0], x));

/** Hold the frozen neurons at their mean and the deleted ones at 0, in every row of activations. */
function operate(activations) {
  for (let start = 0; start < activations.length; start += hidden) {
    for (const n of state.frozen) activations[start + n] = known.held_at[n];
    for (const n of state.deleted) activations[start + n] = 0;
  }
  return activations;
}

/** The last z and the scores that follow from activations of the first hidden layer. */
function follow(a) {
  let z = a;
  for (let l = 1; l < net.weights.length; l++) {
    z = weighted_input(net.weights[l], net.biases[l], a);
    a = net.arithmetic.sigmoid(z);
  }
  return [z, a];
}

/** What each neuron adds to the z of a digit: what is lost where it is 0. */
function pushes(a, digit) {
  const all = follow(a)[0][digit];
  return Array.from(a, (v, n) => (v === 0 ? 0 : all - follow(a.map((u, k) => (k === n ? 0 : u)))[0][digit]));
}

let readings = []; // of every image in the album, and what they were made with
let made_with = [];

function read_all() {
  const now = [net, album, `${[...state.frozen]}`, `${[...state.deleted]}`];
  if (now.every((part, i) => part === made_with[i])) return readings;
  [made_with, readings] = [now, []];
  for (const x of album.inputs()) {
    const scores = follow(operate(first_layer(x)))[1];
    for (let e = 0; e < scores.length; e += 10) readings.push(argmax(scores.subarray(e, e + 10)));
  }
  return readings;
}

// --- Pictures ------------------------------------------------------------------------------------

const dark = matchMedia("(prefers-color-scheme: dark)");
const STOPS = {
  light: [[5, 48, 97], [33, 102, 172], [146, 197, 222], [247, 247, 247], [244, 165, 130], [178, 24, 43], [103, 0, 31]],
  dark: [[226, 240, 248], [108, 176, 224], [38, 92, 142], [24, 27, 32], [158, 52, 52], [244, 133, 106], [253, 226, 208]],
};
let colours = null;
const element = (tag, attributes = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), attributes);
  made.append(...children);
  return made;
};
const square = (named = { ariaHidden: "true" }) => element("canvas", { width: SIDE, height: SIDE, ...named });

/** 257 colours from blue through the paper's to red. */
function choose_colours() {
  const stops = STOPS[dark.matches ? "dark" : "light"];
  colours = Uint32Array.from({ length: 257 }, (_, i) => {
    const k = Math.min(Math.floor((6 * i) / 256), 5);
    const [r, g, b] = [0, 1, 2].map((c) => Math.round(stops[k][c] + ((6 * i) / 256 - k) * (stops[k + 1][c] - stops[k][c])));
    return (255 << 24) | (b << 16) | (g << 8) | r;
  });
  const scale = $("scale").getContext("2d").createImageData(65, 1);
  new Uint32Array(scale.data.buffer).set(colours.filter((_, i) => i % 4 === 0));
  $("scale").getContext("2d").putImageData(scale, 0, 0);
}

const picture = new ImageData(SIDE, SIDE);
const pixels = new Uint32Array(picture.data.buffer);

function paint(canvas, value, limit, masked = null) {
  for (let i = 0; i < pixels.length; i++) {
    pixels[i] = masked?.[i] ? 0xff8c8c8c : colours[128 + Math.round(128 * Math.max(-1, Math.min(value(i) / limit, 1)))];
  }
  canvas.getContext("2d").putImageData(picture, 0, 0);
}

function paint_digit(canvas, bytes) {
  for (let i = 0; i < pixels.length; i++) pixels[i] = (255 << 24) | (bytes[i] * 0x10101);
  canvas.getContext("2d").putImageData(picture, 0, 0);
}

/** Where the colours end: the magnitude that 99.5 % of the coloured pixels stay below. */
function colour_limit(value) {
  const found = [];
  for (let k = 0; k < hidden * SIDE * SIDE; k++) if (!grey[k % (SIDE * SIDE)]) found.push(Math.abs(value(k)));
  return Float64Array.from(found).sort()[Math.floor(0.995 * (found.length - 1))] || 1;
}

let limits = {};
const change = (k) => net.weights[0][k] - base.weights[0][k];
const weight = (k) => net.weights[0][k];

function measure_colours() {
  limits = { weights: colour_limit(weight), change: colour_limit(change) };
  limits.input = limits.weights;
}

// --- The screen ----------------------------------------------------------------------------------

const lamps = known.names.map((_, n) => {
  const [name, bar, told, mark] = ["span", "i", "b", "span"].map((tag) => element(tag));
  const lamp = { canvas: square(), name, bar, told, mark };
  mark.className = "mark";
  lamp.button = element("button", { onclick: () => press(n) },
    lamp.canvas, element("span", { className: "name" }, lamp.name, element("span", { className: "bulb" })),
    element("span", { className: "push" }, element("span", { className: "signed" }, lamp.bar), lamp.told), lamp.mark);
  $("lamps").append(lamp.button);
  return lamp;
});
const scores = Array.from({ length: 10 }, (_, digit) => {
  const row = { bar: element("i"), told: element("b") };
  row.button = element("button", { onclick: () => set({ target: state.target === digit ? null : digit }) },
    element("span", {}, String(digit)), element("span", { className: "bar" }, row.bar), row.told);
  $("scores").append(element("li", {}, row.button));
  return row;
});
const modes = new Map(Object.entries(MODES).map(([mode, textContent]) =>
  [mode, element("button", { onclick: () => set({ mode }), textContent, disabled: mode === "change" && !known.start_known })]));
const tabs = new Map(Object.entries(TABS).map(([tab, textContent]) =>
  [tab, element("button", { id: `tab-${tab}`, role: "tab", onclick: () => set({ tab }), textContent })]));
$("modes").append(...modes.values());
$("tabs").append(...tabs.values());

const count = (n) => n.toLocaleString("en");
const signed = (v) => (Math.abs(v) < 0.05 ? "0.0" : `${v < 0 ? "−" : "+"}${Math.abs(v).toFixed(1)}`);

/** A neuron's number, and its name as long as the weights are those that it was given for. */
const title_of = (n) => `${n} ${net === model ? known.names[n] : ""}`.trim();

/** Repaint what depends on the digit: the only work between a stroke and its picture. */
function look() {
  const a = operate(first_layer(x));
  const [, outputs] = follow(a);
  const read = argmax(outputs);
  const target = state.target ?? read;
  const pushed = pushes(a, target);
  const most = Math.max(...pushed.map(Math.abs), 1);
  const value = { input: (k) => weight(k) * x[k % (SIDE * SIDE)], weights: weight, change }[state.mode];
  lamps.forEach(({ canvas, name, bar, told, button, mark }, n) => {
    paint(canvas, (i) => value(n * SIDE * SIDE + i), limits[state.mode], state.mode === "input" ? null : grey);
    button.style.setProperty("--lit", `${Math.round(100 * a[n])}%`);
    bar.className = pushed[n] < 0 ? "down" : "";
    bar.style.cssText = `${pushed[n] < 0 ? "right" : "left"}: 50%; width: ${(50 * Math.abs(pushed[n])) / most}%`;
    told.textContent = signed(pushed[n]);
    const off = state.deleted.has(n) ? "deleted" : state.frozen.has(n) ? "frozen" : "";
    mark.textContent = off;
    name.textContent = title_of(n);
    button.className = off === "deleted" ? "off" : "";
    button.setAttribute("aria-pressed", n === state.neuron);
    const told_in_words = `activation ${a[n].toFixed(2)}, pushes ${signed(pushed[n])} towards ${target}`;
    button.ariaLabel = `Neuron ${title_of(n)} ${off}: ${told_in_words}`;
  });
  scores.forEach(({ button, bar, told }, digit) => {
    bar.style.width = `${100 * outputs[digit]}%`;
    told.textContent = outputs[digit].toFixed(2);
    button.className = digit === read ? "read" : "";
    button.setAttribute("aria-pressed", digit === state.target);
  });
  const masked = known.never_lit && state.mode !== "input" ? " · grey: lit in no training image" : "";
  $("legend").textContent = `lamp: activation · bar: push towards ${target}${masked}`;
  const digit = album.digits[places.indexOf(state.image)];
  let shown = state.digit === null ? "Nothing drawn" : "Your digit, centred by mass";
  if (state.image !== null) shown = `${known.split} image ${state.image}, a ${digit}`;
  const caption = `${shown}: read as ${read}${state.image === null ? "" : digit === read ? " ✓" : " ✗"}`;
  if ($("caption").textContent !== caption) $("caption").textContent = caption;
  paint_digit($("seen"), Array.from(x, (v) => 256 * v));
  if (strokes.length === 0) paint_pad();
}

/** Repaint everything, after a press. */
function show() {
  for (const [mode, button] of modes) button.setAttribute("aria-pressed", mode === state.mode);
  for (const [tab, button] of tabs) {
    button.setAttribute("aria-selected", tab === state.tab);
    button.tabIndex = tab === state.tab ? 0 : -1;
    $(`panel-${tab}`).hidden = tab !== state.tab;
  }
  look();
  show_choices();
  show_neuron();
  $("unit").textContent = `1 / ${count(grid)}: that of neuron ${state.neuron} at the pixel in the middle`;
  write_address();
}

function show_choices() {
  const mistakes = {};
  read_all().forEach((read, i) => {
    const pair = `${album.digits[i]}${read}`;
    if (pair[0] !== pair[1]) mistakes[pair] = (mistakes[pair] ?? 0) + 1;
  });
  const pairs = Object.entries(mistakes).sort((a, b) => b[1] - a[1]);
  const wrong = pairs.reduce((sum, [, n]) => sum + n, 0);
  const options = { all: `all ${album.length} images`, misread: `misread (${wrong})` };
  for (const [pair, n] of pairs) options[`${pair[0]}-${pair[1]}`] = `${pair[0]} read as ${pair[1]} (${n})`;
  for (let digit = 0; digit < 10; digit++) options[`${digit}-`] = `every ${digit}`;
  const chosen = $("which").value;
  $("which").replaceChildren(...Object.entries(options).map(([value, textContent]) => element("option", { value, textContent })));
  $("which").value = chosen in options ? chosen : "all";
  const how = state.frozen.size + state.deleted.size ? " with the neurons as you set them" : "";
  $("counted").textContent = `Of these ${count(album.length)} images ${count(album.length - wrong)} are read rightly${how}.`;
}

/** Ten values as bars above and below a line; null where unknown. */
function bars(title, values, classes) {
  const [top, bottom] = [Math.max(...values, 0), Math.min(...values, 0)];
  const share = (v) => `${(100 * v) / (top - bottom || 1)}%`;
  const told = (digit) => `${digit}: ${values[digit]?.toFixed(2) ?? "unknown"}`;
  const ariaLabel = `${title}; ${values.map((_, digit) => told(digit)).join(", ")}`;
  const chart = element("div", { className: "bars", role: "img", ariaLabel });
  chart.style.setProperty("--zero", share(-bottom));
  const digits = element("div", { className: "digits", ariaHidden: "true" });
  values.forEach((v, digit) => {
    const bar = element("i");
    bar.style.cssText = `height: ${share(Math.abs(v))}; bottom: ${share(Math.min(v, 0) - bottom)}`;
    chart.append(element("div", { className: classes(digit, v), title: told(digit) }, bar));
    digits.append(element("span", { className: classes(digit, v), textContent: digit }));
  });
  return [element("h3", { textContent: title }), chart, digits];
}

function show_neuron() {
  const n = state.neuron;
  $("neuron-name").textContent = `Neuron ${title_of(n)}`;
  $("stale").hidden = net === model;
  for (const id of ["neuron-headline", "neuron-role", "images"]) $(id).hidden = net !== model;
  $("neuron-headline").textContent = `It ${known.headlines[n]}.`;
  $("neuron-role").textContent = known.roles[n];
  $("freeze").setAttribute("aria-pressed", state.frozen.has(n));
  $("delete").setAttribute("aria-pressed", state.deleted.has(n));
  $("freeze").disabled = net !== model;
  $("restore").disabled = state.frozen.size + state.deleted.size === 0;
  const fires = (digit) => (known.fires_for[n][digit] ? "fires" : "");
  const recorded = (title, records) => (net === model && records ? bars(title, records[n], fires) : []);
  const towards = net.weights[1].filter((_, k) => k % hidden === n);
  const what = net.sizes.length === 3 ? "output weights" : "weights into the next layer";
  $("answers").replaceChildren(
    ...recorded("Responds to: share of each digit's images on which it fires", known.firing_rate),
    ...bars(`Pushes towards: its ${what}`, Array.from(towards), (_, v) => (v < 0 ? "down" : "up")),
    ...recorded("Needed for: recall lost with it held at its mean", known.recall_lost),
  );
  $("images").replaceChildren(...Object.entries(RANKED).flatMap(([ranking, textContent]) => [
    element("h3", { textContent }), element("div", { className: "thumbs" }, ...known.rankings[ranking][n].map(thumb)),
  ]));
}

/** One of the page's images, small, to be pressed. */
function thumb(index) {
  const canvas = square();
  paint_digit(canvas, own.bytes.subarray(index * SIDE * SIDE));
  const title = `Show ${known.split} image ${known.places[index]}, a ${known.labels[index]}`;
  const onclick = () => { show_image(places.indexOf(known.places[index])); show(); };
  return element("button", { ariaLabel: title, title, onclick }, canvas);
}

// --- Drawing ---------------------------------------------------------------------------------------

const pad = $("pad").getContext("2d");
const pen = { x: 0.5, y: 0.5, down: false, shown: false };

function paint_pad() {
  pad.fillStyle = "#000";
  pad.fillRect(0, 0, 280, 280);
  pad.imageSmoothingEnabled = false;
  if (strokes.length === 0) pad.drawImage($("seen"), 0, 0, 280, 280);
  [pad.lineWidth, pad.lineCap, pad.lineJoin, pad.strokeStyle] = [24, "round", "round", "#fff"];
  for (const stroke of strokes) {
    pad.beginPath();
    stroke.forEach(([px, py]) => pad.lineTo(280 * px, 280 * py));
    if (stroke.length === 1) pad.lineTo(280 * stroke[0][0], 280 * stroke[0][1] + 0.1);
    pad.stroke();
  }
  if (!pen.shown) return;
  [pad.lineWidth, pad.strokeStyle] = [3, pen.down ? "#f59a4a" : "#79b8ff"];
  pad.strokeRect(280 * pen.x - 7, 280 * pen.y - 7, 14, 14);
}

/** The strokes as MNIST keeps digits: 20 pixels high or wide, the centre of mass at (14, 14). */
function centred() {
  const all = strokes.flat();
  const bounds = [0, 1].map((c) => [Math.min(...all.map((p) => p[c])), Math.max(...all.map((p) => p[c]))]);
  const middle = bounds.map(([low, high]) => (low + high) / 2);
  const size = Math.max(...bounds.map(([low, high]) => high - low), 0.15);
  const ink = (shift) => {
    const levels = new Float64Array(SIDE * SIDE);
    const place = (p) => p.map((v, c) => ((v - middle[c]) * 17.5) / size + 14 + shift[c]);
    for (const stroke of strokes) stroke.forEach((p, i) => draw_line(levels, place(stroke[i - 1] ?? p), place(p)));
    return levels;
  };
  const first = ink([0, 0]);
  const mass = first.reduce((sum, v) => sum + v, 0);
  const centre = (coordinate) => first.reduce((sum, v, i) => sum + v * coordinate(i), 0) / mass;
  const levels = ink([14 - centre((i) => i % SIDE), 14 - centre((i) => Math.floor(i / SIDE))]);
  return Uint8Array.from(levels, (v) => 17 * Math.round(15 * v));
}

function draw_line(levels, [ax, ay], [bx, by]) {
  const [dx, dy] = [bx - ax, by - ay];
  const squared = dx * dx + dy * dy || 1;
  const first = (u, v) => Math.max(0, Math.ceil(Math.min(u, v) - 2));
  const last = (u, v) => Math.min(SIDE - 1, Math.floor(Math.max(u, v) + 2));
  for (let py = first(ay, by); py <= last(ay, by); py++) {
    for (let px = first(ax, bx); px <= last(ax, bx); px++) {
      const along = Math.max(0, Math.min(((px - ax) * dx + (py - ay) * dy) / squared, 1));
      const distance = Math.hypot(px - ax - along * dx, py - ay - along * dy);
      levels[py * SIDE + px] = Math.max(levels[py * SIDE + px], Math.min(1, Math.max(0, 1.85 - distance)));
    }
  }
}

function draw(point, first, begun) {
  if (first) strokes.push([]);
  strokes.at(-1).push(point);
  show_digit(centred());
  look();
  paint_pad();
  times.strokes.push(performance.now() - begun);
}

$("pad").onpointerdown = (event) => {
  $("pad").setPointerCapture(event.pointerId);
  pen.shown = false;
  draw(place_of(event), true, event.timeStamp);
};
$("pad").onpointermove = (event) => {
  if ($("pad").hasPointerCapture(event.pointerId)) draw(place_of(event), false, event.timeStamp);
};
$("pad").onpointerup = $("pad").onpointercancel = () => show();
$("pad").onblur = () => { [pen.shown, pen.down] = [false, false]; paint_pad(); };

function place_of(event) {
  const box = $("pad").getBoundingClientRect();
  return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
}

$("pad").onkeydown = (event) => {
  const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [0, 0];
  if (dx === 0 && dy === 0 && event.key !== " ") return;
  event.preventDefault();
  event.stopPropagation();
  pen.shown = true;
  if (event.key === " ") pen.down = !pen.down;
  for (const [c, d] of [["x", dx], ["y", dy]]) pen[c] = Math.max(0, Math.min(pen[c] + d / SIDE, 1));
  if (pen.down) draw([pen.x, pen.y], event.key === " ", event.timeStamp);
  paint_pad();
  if (event.key === " " && !pen.down) show();
};

// --- What can be pressed -----------------------------------------------------------------------------

function set(changes) {
  Object.assign(state, changes);
  show();
}

function choose(neuron) {
  set({ neuron, tab: state.tab === "train" ? "neuron" : state.tab });
  lamps[neuron].button.scrollIntoView({ block: "nearest" }); // among a hundred
}

function press(neuron) {
  choose(neuron);
  if (innerWidth <= 640) $("side").scrollIntoView({ behavior: "smooth" }); // there the answers lie below
}

function toggle(set_name, other) {
  if (set_name === "frozen" && net !== model) return;
  const n = state.neuron;
  if (!state[set_name].delete(n)) state[set_name].add(n);
  state[other].delete(n);
  show();
}

function clear() {
  strokes = [];
  show_digit(new Uint8Array(SIDE * SIDE));
  state.digit = null;
  show();
}

/** Show the next image, or the one before, of those that are chosen. */
function step(by) {
  const which = $("which").value;
  const wanted = (i) => {
    const [digit, read] = [album.digits[i], read_all()[i]];
    return which === "all" || (which === "misread" ? digit !== read : which === `${digit}-` || which === `${digit}-${read}`);
  };
  const from = state.image === null ? -1 : places.indexOf(state.image);
  for (let k = 1; k <= album.length; k++) {
    const i = (((from + by * k) % album.length) + album.length) % album.length;
    if (wanted(i)) { show_image(i); break; }
  }
  show();
}

$("clear").onclick = clear;
$("previous").onclick = () => step(-1);
$("next").onclick = () => step(1);
$("which").onchange = () => step(1);
$("freeze").onclick = () => toggle("frozen", "deleted");
$("delete").onclick = () => toggle("deleted", "frozen");
$("restore").onclick = () => set({ frozen: new Set(), deleted: new Set() });

const KEYS = {
  ArrowLeft: () => choose((state.neuron + hidden - 1) % hidden), ArrowRight: () => choose((state.neuron + 1) % hidden),
  f: $("freeze").onclick, d: $("delete").onclick, c: clear, n: () => step(1), p: () => step(-1),
  m: () => { $("which").value = "misread"; step(1); },
  ...Object.fromEntries([...modes.values()].map((button, i) => [i + 1, () => button.click()])),
};
document.onkeydown = (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || /INPUT|SELECT/.test(event.target.tagName)) return;
  if (event.target.role === "tab" && event.key.startsWith("Arrow")) {
    const all = [...tabs.values()];
    const next = all[(all.indexOf(event.target) + (event.key === "ArrowRight" ? 1 : 2)) % 3];
    next.click();
    next.focus();
  } else if (event.key in KEYS) KEYS[event.key]();
  else return;
  event.preventDefault();
};

// --- Training ------------------------------------------------------------------------------------------

const sources = { page: split(own.bytes, known.labels, []) };
let worker = null;
let hashes = {};
let verdicts = [];

/** The last sixth of the images is for validation, as in MNIST's train file. */
function split(bytes, digits, files) {
  const first = digits.length - Math.floor(digits.length / 6);
  const part = (from, to) => ({ bytes: bytes.subarray(from * SIDE * SIDE, to * SIDE * SIDE), digits: digits.slice(from, to) });
  return { training: part(0, first), validation: part(first, digits.length), files };
}

function show_sources() {
  const told = { page: "in this page", mnist: "your MNIST" };
  $("source").replaceChildren(...Object.entries(sources).map(([value, { training }]) =>
    element("option", { value, textContent: `${told[value]} (${count(training.digits.length)})` })));
  $("source").value = sources.mnist ? "mnist" : "page";
  $("source").onchange();
}
$("source").onchange = () => { $("epochs").value = known.training.epochs[$("source").value].length || 1; };

async function read_idx(file) {
  let bytes = new Uint8Array(await file.arrayBuffer());
  const [name] = /^(train|t10k)-(images|labels)/.exec(file.name) ?? [null];
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) bytes = await gunzipped(bytes);
  const view = new DataView(bytes.buffer);
  const [magic, head, each] = /images/.test(name) ? [0x803, 16, SIDE * SIDE] : [0x801, 8, 1];
  const whole = bytes.length >= head && view.getUint32(0) === magic && bytes.length === head + each * view.getUint32(4);
  if (name === null || !whole) {
    throw new Error(`${file.name}: expected one of MNIST's IDX files, such as train-images-idx3-ubyte, raw or .gz`);
  }
  return [name, { bytes, content: bytes.subarray(head), count: view.getUint32(4) }];
}

$("files").onchange = async () => {
  try {
    const files = Object.fromEntries(await Promise.all(Array.from($("files").files, read_idx)));
    for (const part of ["train", "t10k"]) {
      const [images, labels] = [files[`${part}-images`], files[`${part}-labels`]];
      if (images?.count !== labels?.count) throw new Error(`${part}: expected images, and as many labels`);
      const hashed = [["train-images-idx3-ubyte", images?.bytes], ["train-labels-idx1-ubyte", labels?.bytes]];
      if (images && part === "train") sources.mnist = split(images.content, labels.content, hashed);
      else if (images && known.split === "test") {
        album = new Examples(images.content, labels.content);
        places = Array.from(labels.content, (_, i) => i);
      }
    }
    $("progress").textContent = `Read ${Object.keys(files).join(", ")}.`;
    show_sources();
    show();
  } catch (error) {
    $("progress").textContent = error.message;
  }
};

/** Start the worker on one start or two; `hear` is told what it says until it is done. */
function start(starts, seed, epochs, job, hear) {
  const code = ["network", "worker"].map((id) => `${$(id).textContent}\n`);
  worker = new Worker(URL.createObjectURL(new Blob(code, { type: "text/javascript" })));
  worker.onerror = (event) => hear({ kind: "error", text: event.message });
  worker.onmessage = ({ data }) => {
    if (data.nets) wear(data.nets[0]);
    hear(data);
    if (data.kind === "epoch") show();
    if (data.kind === "done" || data.kind === "error") stop();
  };
  const { eta, mini_batch_size } = known.training;
  worker.postMessage({ starts, sizes: known.sizes, seed, epochs, eta, mini_batch_size, ...job });
  running(true);
}

function stop() {
  worker?.terminate();
  running(false);
  show();
}

function running(on) {
  for (const id of ["train", "fly"]) $(id).disabled = on;
  for (const id of ["stop", "land"]) $(id).disabled = !on;
}

/** Show other weights than the model's: its records do not speak of them. */
function wear({ weights, biases }) {
  net = Network.from_parameters({ sizes: known.sizes, weights, biases }, new FixedPoint());
  state.frozen.clear();
  $("counted").textContent = ""; // counted again after the epoch
  $("back").disabled = false;
  measure_colours();
  look();
  show_neuron();
}

/** Where training starts and the seed of its order: the model's, or those of the seed that is given. */
function chosen_start() {
  const text = $("seed").value.trim();
  if (text === "") return [begin, known.training.seed];
  if (/^\d{1,18}$/.test(text)) return [new Network(known.sizes, new FixedPoint(), default_rng(text)), text];
  throw new Error(`start: expected nothing, for the model's, or a seed such as 3; received ${text}`);
}
const chosen_epochs = () => Math.max(1, Math.min(Math.floor(Number($("epochs").value)) || 1, 999));

function line_chart(svg, points, low, high, ticks) {
  const height = svg.id === "plot" ? 120 : 80;
  const across = (v) => (28 + (266 * v) / (points.at(-1)?.[0] || 1)).toFixed(1);
  const down = (v) => (height - 5 - ((v - low) / (high - low)) * (height - 12)).toFixed(1);
  const lines = ticks.map(([v, told]) => `<path d="M28 ${down(v)}H300" stroke="var(--line)"/><text y="${down(v)}" dy="3">${told}</text>`);
  const line = points.map(([u, v]) => `${across(u)},${down(v)}`).join(" ");
  svg.setAttribute("viewBox", `0 0 300 ${height}`);
  svg.innerHTML = `${lines.join("")}<polyline fill="none" stroke="var(--accent)" stroke-width="2" points="${line}"/>`;
}

function hear_training(source, usual, message) {
  const { kind, epoch, correct, fingerprint } = message;
  if (kind === "file") hashes[message.name] = message.sha256;
  if (kind === "error") $("progress").textContent = `Stopped: ${message.text}`;
  if (kind === "steps") $("progress").textContent = `Epoch ${epoch}, step ${count(message.steps)}`;
  if (kind === "done") $("progress").textContent = `Done: ${message.epochs} epochs.`;
  if (kind !== "epoch") return;
  const other = Object.keys(hashes).some((name) => hashes[name] !== known.training.data[name]);
  const expected = usual && !other ? known.training.epochs[source][epoch - 1]?.[0] : undefined;
  const same = expected === undefined ? "" : expected === fingerprint ? "same" : "different";
  const share = (100 * correct) / sources[source].validation.digits.length;
  verdicts.push({ epoch, same, correct, share, fingerprint, expected });
  const said = { same: "= same", different: "≠ DIFFERENT", "": "" }[same];
  const cells = [epoch, `${share.toFixed(2)} %`, fingerprint.slice(0, 8), expected?.slice(0, 8) ?? "not known", said];
  $("history").prepend(element("tr", { className: same }, ...cells.map((textContent) => element("td", { textContent }))));
  show_verdict(other, usual);
  line_chart($("curve"), verdicts.map((v) => [v.epoch, v.share]), 0, 100, [[0, "0 %"], [50, "50 %"], [100, "100 %"]]);
}

function show_verdict(other, usual) {
  const wrong = verdicts.find((v) => v.same === "different");
  const equal = verdicts.filter((v) => v.same === "same").length;
  let told = `The same bits as NumPy's, after ${equal === 1 ? "the first epoch" : `each of ${equal} epochs`}.`;
  if (wrong) {
    const [here, numpy] = [wrong.fingerprint.slice(0, 16), wrong.expected.slice(0, 16)];
    told = `NOT THE SAME BITS: after epoch ${wrong.epoch} the weights here are ${here}, NumPy's ${numpy}.`;
  } else if (!usual) told = "Another start than the model's: NumPy's fingerprints are not known here.";
  else if (other) told = "These are not the files that NumPy trained on: there is nothing to compare with.";
  else if (equal === 0) told = "NumPy was not trained that long for this page: there is nothing to compare with.";
  if (verdicts.at(-1).fingerprint === known.fingerprint) told += " This is the model itself, made again here.";
  $("verdict").className = `verdict ${wrong ? "different" : equal ? "same" : ""}`;
  if ($("verdict").textContent !== told) $("verdict").textContent = told;
}

$("train").onclick = () => {
  try {
    const [{ weights, biases }, seed] = chosen_start();
    const [source, usual] = [$("source").value, seed === known.training.seed];
    [verdicts, hashes, base] = [[], {}, { weights, biases }];
    $("history").replaceChildren();
    $("verdict").textContent = $("verdict").className = "";
    $("progress").textContent = "Starting";
    start([base], seed, chosen_epochs(), sources[source], (message) => hear_training(source, usual, message));
  } catch (error) {
    $("progress").textContent = error.message;
  }
};
for (const [button, told] of [["stop", "progress"], ["land", "flight"]]) {
  $(button).onclick = () => { stop(); $(told).prepend("Stopped. "); };
}
for (const button of document.querySelectorAll(".back")) {
  button.onclick = () => {
    [net, base] = [model, begin];
    $("back").disabled = true;
    measure_colours();
    stop();
  };
}

// --- The butterfly ---------------------------------------------------------------------------------------

const pair = ["change in the one", "in the other", "difference"].map((told) => {
  const canvas = square({ role: "img", ariaLabel: told });
  $("pair").append(element("figure", {}, canvas, element("figcaption", { textContent: told })));
  return canvas;
});

function correlation(u, v) {
  const dot = (p, q) => p.reduce((sum, value, i) => sum + value * q[i], 0);
  const [a, b] = [u, v].map((values) => {
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    return values.map((value) => value - mean);
  });
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

/** For each neuron, how its z on the page's images in the one network goes with that in the other. */
function alike(nets) {
  const [inputs] = own.inputs(); // the first thousand at most
  const zs = nets.map(({ weights, biases }) => weighted_input(weights[0], biases[0], inputs));
  return known.names.map((_, n) => correlation(...zs.map((z) => z.filter((_, i) => i % hidden === n))));
}

function hear_butterfly(changed, points, message) {
  if (message.kind === "error") $("flight").textContent = `Stopped: ${message.text}`;
  if (!message.nets) return;
  points.push(...message.differences);
  const like = alike(message.nets);
  const sorted = [...like].sort((a, b) => a - b);
  const [least, median] = [sorted[0], sorted[Math.floor(sorted.length / 2)]].map((r) => r.toFixed(3));
  $("flight").textContent =
    `After ${count(message.steps)} steps from that change in neuron ${changed} the weights differ by up to ` +
    `${(points.at(-1)?.[1] ?? 0).toPrecision(2)}. The neurons' z correlate ${median} in the median neuron, ${least} in the least alike.`;
  $("alike").textContent = like.map((r, n) => `${n}: ${r.toFixed(2)}`).join(" · ");
  const logs = points.filter(([, apart]) => apart > 0).map(([steps, apart]) => [steps, Math.log10(apart)]);
  line_chart($("plot"), logs, -7, 1, [[-6, "10⁻⁶"], [-4, "10⁻⁴"], [-2, "0.01"], [0, "1"]]);
  const from = state.neuron * SIDE * SIDE;
  const [one, two] = message.nets.map(({ weights }) => (i) => weights[0][from + i] - begin.weights[0][from + i]);
  [one, two, (i) => one(i) - two(i)].forEach((value, i) => paint(pair[i], value, limits.change, grey));
}

/** Every image 25 times, shifted by up to two pixels either way. */
function shifted({ bytes, digits }) {
  const ways = [-2, -1, 0, 1, 2];
  const shifts = ways.flatMap((down) => ways.map((right) => [down, right]));
  const all = new Uint8Array(shifts.length * bytes.length);
  shifts.forEach(([down, right], k) => {
    for (let i = 0; i < bytes.length; i++) {
      const [row, column] = [(Math.floor(i / SIDE) % SIDE) + down, (i % SIDE) + right];
      const inside = Math.min(row, column) >= 0 && Math.max(row, column) < SIDE;
      if (bytes[i] && inside) all[k * bytes.length + i + down * SIDE + right] = bytes[i];
    }
  });
  return { bytes: all, digits: shifts.flatMap(() => digits) };
}

$("fly").onclick = () => {
  const [source, n] = [$("source").value, state.neuron];
  const second = begin.weights.map((w) => w.slice());
  second[0][n * SIDE * SIDE + 14 * SIDE + 14] += 1 / grid;
  base = begin;
  const starts = [begin.weights, second].map((weights) => ({ weights, biases: begin.biases }));
  const job = { ...sources[source], files: [] };
  if (source === "page") job.training = shifted(job.training);
  $("flight").textContent = "Starting";
  start(starts, known.training.seed, source === "page" ? 15 : chosen_epochs(), job, hear_butterfly.bind(null, n, []));
};

// --- Begin -----------------------------------------------------------------------------------------------

$("what").textContent = `${known.sizes.join("-")} · ${known.note} · draw a digit or pick one, and press a neuron`;
dark.onchange = () => { choose_colours(); show(); };
window.onhashchange = () => { read_address(); show(); };
choose_colours();
measure_colours();
read_address();
show_sources();
show();
times.ready = performance.now();
window.explorer = { known, times, scores: (index) => model.feedforward(own.take([index])[0]), verdicts: () => verdicts };
