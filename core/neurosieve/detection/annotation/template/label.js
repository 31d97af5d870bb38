"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const { sample, labels, several, sentences } = JSON.parse($("data").textContent);
  const NONE = "none", UNSURE = "unsure", KEY = `neurosieve annotate ${sample}`;
  const alone = new Set([NONE, UNSURE]);
  const known = new Set([...labels, NONE, UNSURE]);
  const place = new Map(sentences.map((item, at) => [item.sentence, at]));
  const buttons = [...document.querySelectorAll(".label")];

  /* What was labelled: the labels of each sentence, by its name; a sentence without an entry has no label yet. */
  let state = { annotator: "", labels: {}, at: 0, shortcuts: true };
  let kept = true, changed = false;

  const plural = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
  const labelsAt = (at) => state.labels[sentences[at].sentence] ?? [];
  const done = () => sentences.filter((item) => item.sentence in state.labels).length;
  const firstOpen = (from) => {
    for (let step = 0; step < sentences.length; step += 1) {
      const at = (from + step) % sentences.length;
      if (!(sentences[at].sentence in state.labels)) return at;
    }
    return -1;
  };
  const say = (text) => { $("said").textContent = text; };
  const alertOf = (text) => { $("alert").textContent = text; };

  function keep() {
    changed = true;
    try {
      localStorage.setItem(KEY, JSON.stringify(state));
      kept = true;
    } catch (error) {
      kept = false;
      alertOf("This browser does not keep labels: download the file before you close the page, and load it to go on.");
    }
  }

  function restore() {
    try {
      const text = localStorage.getItem(KEY);
      if (text !== null) {
        const found = JSON.parse(text);
        for (const [name, chosen] of Object.entries(found.labels ?? {})) {
          if (place.has(name) && sound(chosen)) state.labels[name] = chosen;
        }
        if (typeof found.annotator === "string") state.annotator = found.annotator;
        state.shortcuts = found.shortcuts !== false;
        if (Number.isInteger(found.at)) state.at = Math.min(Math.max(found.at, 0), sentences.length);
      }
      /* Whether it can be written to, without writing over what another window may have kept just now. */
      localStorage.setItem(`${KEY} test`, "");
      localStorage.removeItem(`${KEY} test`);
    } catch (error) {
      kept = false;
      alertOf("This browser does not keep labels: download the file before you close the page, and load it to go on.");
    }
  }

  /* Labels as this page could have set them. */
  function sound(chosen) {
    return Array.isArray(chosen) && chosen.length > 0 && chosen.every((label) => known.has(label))
      && new Set(chosen).size === chosen.length && (chosen.length === 1 || (several && !chosen.some((label) => alone.has(label))));
  }

  function show(focus) {
    const ended = state.at >= sentences.length, count = done(), covered = !$("menu").hidden;
    $("item").hidden = ended || covered;
    $("end").hidden = !ended || covered;
    $("choices").hidden = ended || covered;
    document.body.classList.toggle("labelling", !ended && !covered);
    $("begin").textContent = count ? "Go on" : "Begin";
    $("progress").value = count;
    $("progress-text").textContent = `${count.toLocaleString("en")} of ${sentences.length.toLocaleString("en")} labelled`;
    if (covered) {
      if (focus) $("menu").focus();
      return;
    }
    if (ended) {
      const open = sentences.length - count;
      $("end-title").textContent = open ? "This was the last sentence" : "All sentences are labelled";
      $("end-text").textContent = open
        ? `${plural(open, "sentence")} of ${sentences.length.toLocaleString("en")} ${open === 1 ? "has" : "have"} no label yet. You can go on, or download what is done.`
        : "Thank you. Download the file, and give it back.";
      $("to-open").hidden = !open;
      if (focus) $("end").focus();
      return;
    }
    const item = sentences[state.at];
    $("place").textContent = `Sentence ${(state.at + 1).toLocaleString("en")} of ${sentences.length.toLocaleString("en")}`;
    for (const part of ["before", "after"]) $(part).textContent = item[part];
    $("sentence").textContent = item.text;
    showChoice();
    $("back").disabled = state.at === 0;
    const box = $("text"), mark = $("sentence");
    const top = mark.getBoundingClientRect().top - box.getBoundingClientRect().top + box.scrollTop;
    box.scrollTop = Math.max(0, top - Math.max(24, (box.clientHeight - mark.getBoundingClientRect().height) / 2));
    if (focus) $("item").focus({ preventScroll: true });
  }

  function showChoice() {
    const chosen = labelsAt(state.at);
    for (const button of buttons) button.setAttribute("aria-pressed", String(chosen.includes(button.dataset.label)));
    $("next-text").textContent = chosen.length ? "Next" : "Skip";
    $("open").disabled = firstOpen(0) < 0;
  }

  function go(at, note = "") {
    const from = document.activeElement;
    state.at = Math.min(Math.max(at, 0), sentences.length);
    keep();
    /* Whoever chose with a button keeps that button, and hears of the next sentence. */
    show(!(from && from.closest("#choices") && state.at < sentences.length));
    const where = state.at < sentences.length ? `Sentence ${state.at + 1} of ${sentences.length}: ${sentences[state.at].text}` : $("end-title").textContent;
    say(`${note}${where}`);
  }

  function choose(label) {
    if (state.at >= sentences.length) return;
    const name = sentences[state.at].sentence, before = labelsAt(state.at);
    let chosen;
    if (before.includes(label)) chosen = before.filter((other) => other !== label);
    else if (several && !alone.has(label)) chosen = labels.filter((other) => other === label || before.includes(other));
    else chosen = [label];
    if (chosen.length) state.labels[name] = chosen;
    else delete state.labels[name];
    const removed = !chosen.includes(label);
    keep();
    if (!removed && (!several || alone.has(label))) {
      go(state.at + 1, `${label}. `);
    } else {
      const count = done();
      $("progress").value = count;
      $("progress-text").textContent = `${count.toLocaleString("en")} of ${sentences.length.toLocaleString("en")} labelled`;
      showChoice();
      say(removed ? `${label} removed` : label);
    }
  }

  function download() {
    const byDocument = new Map();
    for (const item of sentences) {
      for (const label of state.labels[item.sentence] ?? []) {
        if (!byDocument.has(item.document)) byDocument.set(item.document, []);
        byDocument.get(item.document).push({ start: item.start, end: item.end, label, sentence: item.sentence });
      }
    }
    if (!byDocument.size) {
      alertOf("Nothing is labelled yet.");
      return;
    }
    const lines = [...byDocument].map(([document_, spans]) => JSON.stringify({
      trace_id: document_, annotator: state.annotator.trim(), sample, unlabelled: "not known",
      spans: spans.sort((one, other) => one.start - other.start || one.end - other.end),
    }));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([lines.join("\n") + "\n"], { type: "application/jsonl" }));
    link.download = "labels.jsonl";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    changed = false;
    alertOf("");
    say(`labels.jsonl with ${plural(done(), "labelled sentence")} is downloaded.`);
  }

  function read(text) {
    const found = {};
    let annotator = "", other = 0;
    text.split(/\r?\n/).forEach((line, number) => {
      if (!line.trim()) return;
      let record;
      try { record = JSON.parse(line); } catch (error) { throw new Error(`line ${number + 1} is not JSON`); }
      if (record === null || !Array.isArray(record.spans)) throw new Error(`line ${number + 1} holds no labels of this page`);
      if (typeof record.annotator === "string") annotator = record.annotator;
      for (const span of record.spans) {
        if (span === null || !place.has(span.sentence)) other += 1;
        else (found[span.sentence] ??= []).push(span.label);
      }
    });
    const names = Object.keys(found);
    if (!names.length) throw new Error("it holds no label of a sentence of this page: was it made with another sample?");
    for (const name of names) {
      if (!sound(found[name])) throw new Error(`it labels a sentence “${found[name].join("” and “")}”, which this page does not allow`);
      found[name] = [...known].filter((label) => found[name].includes(label));
    }
    Object.assign(state.labels, found);
    if (annotator) state.annotator = annotator;
    $("annotator").value = state.annotator;
    return `${plural(names.length, "sentence")} loaded${other ? `; ${plural(other, "label")} of other sentences left out` : ""}.`;
  }

  async function load(file) {
    try {
      const told = read(await file.text());
      const open = firstOpen(0);
      go(open < 0 ? sentences.length : open);
      alertOf(told);
    } catch (error) {
      alertOf(`The file cannot be loaded: ${error.message}.`);
    }
  }

  function toOpen(from) {
    const open = firstOpen(from);
    if (open >= 0) go(open);
  }

  function menu(open) {
    $("menu").hidden = !open;
    $("menu-button").setAttribute("aria-expanded", String(open));
    show(true);
    window.scrollTo(0, 0);
  }

  for (const button of buttons) button.addEventListener("click", () => choose(button.dataset.label));
  for (const button of document.querySelectorAll(".download")) button.addEventListener("click", download);
  $("menu-button").addEventListener("click", () => menu($("menu").hidden));
  $("begin").addEventListener("click", () => menu(false));
  $("back").addEventListener("click", () => go(state.at - 1));
  $("next").addEventListener("click", () => go(state.at + 1));
  $("open").addEventListener("click", () => toOpen(state.at + 1));
  $("to-open").addEventListener("click", () => toOpen(0));
  $("to-last").addEventListener("click", () => go(sentences.length - 1));
  $("load").addEventListener("click", () => $("file").click());
  $("file").addEventListener("change", (event) => {
    if (event.target.files.length) load(event.target.files[0]);
    event.target.value = "";
  });
  $("clear").addEventListener("click", () => {
    if (!done() || !confirm(`Remove the labels of ${plural(done(), "sentence")}? This cannot be undone.`)) return;
    state.labels = {};
    go(0, "All labels are removed. ");
  });
  $("annotator").addEventListener("input", (event) => { state.annotator = event.target.value; keep(); });
  $("shortcuts").addEventListener("change", (event) => { state.shortcuts = event.target.checked; keep(); });
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest("input")) return;
    if (event.target.closest("button") && [" ", "Enter"].includes(event.key)) return;
    if (event.key === "Escape") {
      menu($("menu").hidden);
      return;
    }
    if (!$("menu").hidden) {
      if (event.key === "Enter") menu(false);
      return;
    }
    if (event.key.length === 1 && !state.shortcuts) return;
    const key = event.key.toLowerCase();
    if (/^[1-9]$/.test(key) && Number(key) <= labels.length) choose(labels[Number(key) - 1]);
    else if (key === "0") choose(NONE);
    else if (key === "u") choose(UNSURE);
    else if (["arrowright", "enter", "s"].includes(key)) go(state.at + 1);
    else if (key === "arrowleft") go(state.at - 1);
    else if (key === "n") toOpen(state.at + 1);
    else if (key === "d") download();
    else return;
    event.preventDefault();
  });
  window.addEventListener("beforeunload", (event) => {
    if (!kept && changed) event.preventDefault();
  });

  restore();
  $("annotator").value = state.annotator;
  $("shortcuts").checked = state.shortcuts;
  document.querySelector(".labels").classList.toggle("long", labels.length > 6);
  menu(!done());
  document.documentElement.dataset.drawn = "yes";
})();
