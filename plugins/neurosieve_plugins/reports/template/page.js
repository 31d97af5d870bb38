"use strict";
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const themes = read("themes");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const views = new Map();

  // Datasets come as columns, which are shorter; Vega wants lines.
  const lines = (columns) => {
    const names = Object.keys(columns);
    return names.length ? columns[names[0]].map((_, at) => Object.fromEntries(names.map((name) => [name, columns[name][at]]))) : [];
  };

  const specification = (id) => {
    const made = read(id);
    let most = 0;
    for (const [name, columns] of Object.entries(made.datasets ?? {})) {
      made.datasets[name] = lines(columns);
      most = Math.max(most, made.datasets[name].length);
    }
    made.autosize = { type: "fit-x", contains: "padding" };
    return { made, many: most > 2000 };
  };

  // Inside a fold nothing has a width: then that of the section is as good as any.
  const width = (box) => Math.max(160, Math.floor(box.clientWidth || box.closest("section").clientWidth - 32));

  // The part of the page about the neuron of a mark: one of its own, or the line that it begins in a table.
  const partOf = (item, box) => {
    const { layer, neuron } = item?.datum ?? {};
    if (layer === undefined || neuron === undefined) return null;
    const name = `L${layer}N${neuron}`;
    const owns = (one) => one.dataset.neuron === name && !one.contains(box);
    const parts = [...document.querySelectorAll("[data-neuron]")].filter(owns);
    const begins = (cell) => cell.textContent === name;
    return parts.find((one) => one.matches("details")) ?? parts[0]
      ?? [...document.querySelectorAll("td:first-child")].find(begins)?.parentElement ?? null;
  };

  const visit = (part) => {
    if (!part) return;
    for (let one = part; one; one = one.parentElement) if (one.matches("details")) one.open = true;
    part.tabIndex = -1;
    part.focus({ preventScroll: true });
    part.scrollIntoView({ block: "center" });
  };

  const draw = async (box) => {
    const { made, many } = specification(box.dataset.chart);
    views.get(box)?.finalize();
    const said = { width: width(box), description: box.dataset.says };
    const { view } = await vegaEmbed(box, { ...made, ...said }, {
      actions: false,
      // Without it Vega would turn expressions into functions, which the page's policy forbids to everybody.
      ast: true,
      config: themes[dark.matches ? "dark" : "light"],
      logLevel: 1, // Errors alone.
      renderer: many ? "canvas" : "svg",
      tooltip: { theme: dark.matches ? "dark" : "light" },
    });
    views.set(box, view);
    view.addEventListener("click", (_, item) => visit(partOf(item, box)));
    view.addEventListener("mousemove", (_, item) => { box.style.cursor = partOf(item, box) ? "pointer" : ""; });
    box.dispatchEvent(new Event("drawn"));
  };

  const fit = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const view = views.get(target);
      if (view && target.clientWidth && Math.abs(view.width() - width(target)) > 1) {
        view.width(width(target)).runAsync();
        target.dispatchEvent(new Event("drawn"));
      }
    }
  });

  const drawAll = async () => {
    const boxes = [...document.querySelectorAll(".chart")];
    const hidden = (box) => box.clientWidth === 0;
    for (const box of [...boxes.filter((box) => !hidden(box)), ...boxes.filter(hidden)]) await draw(box);
    document.documentElement.dataset.drawn = dark.matches ? "dark" : "light";
  };

  for (const controls of document.querySelectorAll("[data-zooms]")) {
    const box = controls.parentElement.querySelector(".chart");
    const signals = controls.dataset.zooms.split(" ");
    controls.addEventListener("click", (event) => {
      const factor = event.target.dataset?.factor;
      const view = views.get(box);
      if (factor === undefined || !view) return;
      ["x", "y"].forEach((scale, axis) => {
        const [low, high] = view.scale(scale).domain();
        const half = (Math.abs(high - low) / 2) * Number(factor);
        const middle = (low + high) / 2;
        view.signal(signals[axis], Number(factor) ? [middle - half, middle + half] : null);
      });
      view.runAsync();
    });
  }

  const value = (cell) => cell.dataset.sort ?? cell.textContent;
  const sort = (header) => {
    const at = header.cellIndex;
    const body = header.closest("table").tBodies[0];
    const rising = header.getAttribute("aria-sort") !== "ascending";
    const numbers = [...body.rows].every((row) => value(row.cells[at]) === "nan" || !Number.isNaN(Number(value(row.cells[at]))));
    const keyed = [...body.rows].map((row) => ({ row, key: numbers ? Number(value(row.cells[at])) : value(row.cells[at]) }));
    const last = (key) => key === "" || Number.isNaN(key);
    keyed.sort(({ key: left }, { key: right }) => {
      if (last(left) || last(right)) return last(left) - last(right);
      const order = numbers ? left - right : left.localeCompare(right, undefined, { numeric: true });
      return rising ? order : -order;
    });
    for (const other of header.parentElement.cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", rising ? "ascending" : "descending");
    body.append(...keyed.map(({ row }) => row));
  };
  document.addEventListener("click", (event) => {
    if (event.target.matches?.("[data-sorts]")) sort(event.target.closest("th"));
  });

  const pictures = { "\n": "⏎", "\r": "␍", "\t": "⇥", "\u2028": "⏎", "\u2029": "⏎" };
  const visible = (text) =>
    text.replace(/[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, (one) => pictures[one] ?? (one < " " ? String.fromCharCode(0x2400 + one.charCodeAt(0)) : "\ufffd"));
  const digits = (number) => (number === null ? "nothing" : String(Number(number.toPrecision(3))).replace("-", "−"));

  const heatmap = (figure) => {
    const { neurons, scales, texts } = read(figure.dataset.heatmap);
    const choose = Object.fromEntries([...figure.querySelectorAll("select")].map((one) => [one.dataset.chooses, one]));
    const page = figure.querySelector(".text");
    const readout = figure.querySelector(".readout");
    const box = figure.querySelector(".chart");
    let chosen = -1;
    choose.neuron.append(...neurons.map((name, at) => new Option(name, at)));
    choose.text.append(...texts.map(({ id }, at) => new Option(id, at)));
    const now = () => ({ neuron: Number(choose.neuron.value), text: texts[Number(choose.text.value)] });

    const say = (at) => {
      const { neuron, text } = now();
      const spans = text.marks[at] ? `, in a span of ${text.marks[at].split(",").join(" and ")}` : "";
      return `${neurons[neuron]} at token ${text.first + at} “${visible(text.tokens[at])}”: ${digits(text.values[neuron][at])}${spans}`;
    };
    const point = (at) => {
      page.children[chosen]?.classList.remove("chosen");
      chosen = at;
      page.children[chosen]?.classList.add("chosen");
      readout.textContent = chosen < 0 ? "" : say(chosen);
    };

    const bars = () => {
      const view = views.get(box);
      if (!view) return;
      const { neuron, text } = now();
      const found = text.values[neuron].map((activation, at) => ({
        at,
        place: text.first + at,
        token: visible(text.tokens[at]),
        activation,
        marked: text.marks[at] ? "in a span" : "elsewhere",
        name: "",
      })).filter(({ activation }) => activation !== null);
      // Names of tokens stand side by side where their letters leave room, on whatever screen.
      const step = (view.width() - 60) / Math.max(1, text.tokens.length);
      const apart = (one, other) => Math.abs(one.at - other.at) * step > 4 * ([...one.token].length + [...other.token].length) + 6;
      const kept = [];
      for (const one of [...found].sort((left, right) => Math.abs(right.activation) - Math.abs(left.activation))) {
        if (kept.length < 6 && kept.every((other) => apart(one, other))) kept.push(one);
      }
      for (const one of kept) one.name = one.token;
      view.data("tokens", found).runAsync();
    };

    const paint = () => {
      const { neuron, text } = now();
      const scale = scales[neuron] || 1;
      page.replaceChildren(...text.tokens.map((token, at) => {
        const span = document.createElement("span");
        const held = text.values[neuron][at];
        const share = Math.min(100, Math.round((100 * Math.abs(held ?? 0)) / scale));
        if (share) span.style.backgroundColor = `color-mix(in srgb, var(${held > 0 ? "--hot" : "--cold"}) ${share}%, transparent)`;
        if (text.marks[at]) span.className = "marked";
        // A new line is seen, and it is one.
        span.textContent = token === "" ? "·" : token.split("\n").map(visible).join("⏎\n");
        span.title = digits(held);
        return span;
      }));
      figure.querySelector("[data-low]").textContent = digits(-scale);
      figure.querySelector("[data-high]").textContent = digits(scale);
      point(-1);
      bars();
    };

    page.addEventListener("pointerover", (event) => {
      if (event.target !== page) point([...page.children].indexOf(event.target));
    });
    page.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      point(Math.max(0, Math.min(page.children.length - 1, chosen + step)));
      page.children[chosen]?.scrollIntoView({ block: "nearest" });
    });
    choose.neuron.addEventListener("change", paint);
    choose.text.addEventListener("change", paint);
    box.addEventListener("drawn", bars);
    paint();
  };

  document.querySelectorAll("[data-heatmap]").forEach(heatmap);

  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open])")];
    for (const one of folded) one.open = true;
  });
  addEventListener("afterprint", () => folded.forEach((one) => { one.open = false; }));

  let drawing = drawAll();
  dark.addEventListener("change", () => { drawing = drawing.then(drawAll); });
  drawing.then(() => document.querySelectorAll(".chart").forEach((box) => fit.observe(box)));
})();
