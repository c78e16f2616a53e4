// One sentence: its translation, its codes, and what becomes of it with other codes.

import { ask } from "./api.js";
import { arrows, make, marked, spelled } from "./dom.js";

let count = 0;

export class Sentence {
  // `about`: what /v1/model says; `explanation`: of a sentence; `say`: tells the reader of
  // errors and, quietly, of what has changed.
  constructor(about, explanation, passes, say) {
    this.about = about;
    this.predicted = explanation;
    this.now = explanation;
    this.passes = passes;
    this.say = say;
    this.open = -1;
    this.id = `sentence-${++count}`;
    this.clocks = make("section", { hidden: true });
    this.body = make("div");
    this.element = make(
      "article",
      { "aria-label": explanation.source },
      make("p", { class: "dim source" }, explanation.source),
      this.body,
      this.clocks,
    );
    this.draw();
  }

  get changed() {
    return this.now.steps.some((step, place) => !this.isPredicted(step.codes, place));
  }

  isPredicted(codes, place) {
    return same(codes, this.predicted.steps[place].codes);
  }

  draw() {
    const output = this.changed
      ? marked(this.predicted.text, this.now.text)
      : [this.now.text];
    this.body.replaceChildren(
      make("p", { class: "output", lang: this.about.target.code }, ...output),
      make("h2", {}, "Codes, and the words each one writes"),
      this.list(),
      ...(this.open < 0 ? [] : [this.others()]),
      ...(this.changed ? [this.reset()] : []),
      ...(this.now.passes.length > 1 ? this.steps() : []),
    );
  }

  list() {
    const items = this.now.steps.map((step, place) =>
      make("li", {}, this.card(step, place)),
    );
    const list = make("ol", { class: "codes" }, ...items);
    arrows(list, ["ArrowLeft", "ArrowUp"], ["ArrowRight", "ArrowDown"]);
    return list;
  }

  card(step, place) {
    const words = (step.words || "–") + (step.joined ? "‑" : "");
    return make(
      "button",
      {
        type: "button",
        id: `${this.id}-code-${place}`,
        class: this.isPredicted(step.codes, place) ? false : "swapped",
        "aria-expanded": String(this.open === place),
        "aria-controls": `${this.id}-others`,
        onclick: () => this.toggle(place),
      },
      make("span", { class: "words", lang: this.about.target.code }, words),
      make("span", { class: "code" }, this.name(step)),
      make("progress", {
        class: "chance",
        max: 1,
        value: step.probability,
        "aria-label": `probability ${percent(step.probability)}`,
      }),
    );
  }

  name(step) {
    const named = this.about.codes === "words" ? step.meaning : step.codes;
    return `${named.join("·")}, ${percent(step.probability)}`;
  }

  toggle(place) {
    this.open = this.open === place ? -1 : place;
    this.draw();
    this.focus(place);
  }

  focus(place) {
    document.getElementById(`${this.id}-code-${place}`)?.focus();
  }

  others() {
    const place = this.open;
    const step = this.now.steps[place];
    const items = step.alternatives.map((one) => this.other(one, place));
    const list = make("ul", {}, ...items);
    arrows(list, ["ArrowUp", "ArrowLeft"], ["ArrowDown", "ArrowRight"]);
    const box = make(
      "section",
      { class: "others", id: `${this.id}-others`, "aria-label": `Other codes for step ${place + 1}` },
      make("h3", {}, items.length ? `Step ${place + 1}: what could stand here instead` : "Nothing else could stand here."),
      ...this.meaning(step),
      list,
    );
    box.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.toggle(place);
    });
    return box;
  }

  meaning(step) {
    const known = step.meaning.filter((one) => one !== null);
    if (!known.length || this.about.codes === "words") return [];
    return [make("p", { class: "dim" }, `Mostly stands for “${known.join("” and “")}”.`)];
  }

  other(one, place) {
    const meaning = this.about.codes === "words" ? [] : one.meaning.filter((known) => known !== null);
    let name = this.name(one);
    if (this.isPredicted(one.codes, place)) name += ", the predicted one";
    if (meaning.length) name += `, mostly “${meaning.join("” and “")}”`;
    return make(
      "li",
      {},
      make(
        "button",
        { type: "button", onclick: () => this.swap(this.codes(place, one.codes), place) },
        make("span", { class: "code" }, name),
        make("span", { class: "text", lang: this.about.target.code }, ...marked(this.now.text, one.text)),
      ),
    );
  }

  codes(place, codes) {
    return this.now.steps.map((step, i) => (i === place ? codes : step.codes));
  }

  reset() {
    const codes = this.predicted.steps.map((step) => step.codes);
    return make(
      "p",
      { class: "reset" },
      make("button", { type: "button", onclick: () => this.swap(codes, 0) }, "Back to the predicted codes"),
    );
  }

  async swap(codes, place) {
    this.body.classList.add("busy");
    try {
      this.now = await ask("/v1/swap", {
        q: this.predicted.source,
        codes,
        passes: this.passes,
      });
      this.open = this.open < 0 ? -1 : place;
      this.say("", `Now: ${this.now.text}`);
      this.draw();
      this.focus(place);
    } catch (error) {
      this.say(error.message);
    } finally {
      this.body.classList.remove("busy");
    }
  }

  steps() {
    let before = null;
    const items = this.now.passes.map((one) => {
      const text = spelled(one.words, one.joined);
      const parts = before === null ? [text] : marked(before, text);
      before = text;
      return make("li", { lang: this.about.target.code }, make("span", {}, ...parts));
    });
    return [
      make("h2", {}, "Refinement, pass by pass; 0 is before the first"),
      make("ol", { class: "passes" }, ...items),
    ];
  }

  async compare() {
    const compared = await ask("/v1/compare", { q: this.predicted.source, passes: this.passes });
    const slowest = Math.max(...compared.clocks.map((one) => one.milliseconds));
    this.clocks.replaceChildren(
      make("h2", {}, `By the clock, one sentence at a time (median of ${compared.repeats})`),
      make("div", { class: "clocks" }, ...compared.clocks.map((one) => this.clock(one, slowest))),
    );
    this.clocks.hidden = false;
  }

  clock(one, slowest) {
    const names = { codes: "From codes", teacher: "Autoregressive teacher", model: "Autoregressive model" };
    return make(
      "div",
      {},
      make("p", { class: "dim" }, names[one.model]),
      make("p", { lang: this.about.target.code }, one.text),
      make("p", { class: "time" }, `${one.milliseconds.toFixed(one.milliseconds < 10 ? 2 : 1)} ms`),
      make("progress", { class: "chance", max: slowest || 1, value: one.milliseconds, "aria-hidden": "true" }),
    );
  }
}

function same(one, other) {
  return one.length === other.length && one.every((code, i) => code === other[i]);
}

function percent(share) {
  return share >= 0.1 || share === 0 ? `${Math.round(100 * share)} %` : `${(100 * share).toPrecision(2)} %`;
}
