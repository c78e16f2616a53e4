// The page: a text goes in, its sentences come out with their codes.

import { ask, hasToken, keepToken } from "./api.js";
import { make } from "./dom.js";
import { Sentence } from "./sentence.js";

const at = (id) => document.getElementById(id);
let about = null;
let turn = 0; // of the latest request: an answer that comes late is dropped

function say(error, status = "") {
  at("error").textContent = error;
  at("status").textContent = status;
}

async function begin() {
  about = await ask("/v1/model");
  at("languages").textContent = `${about.source.name} to ${about.target.name}`;
  at("text-label").textContent = `A sentence in ${about.source.name}`;
  at("text").lang = about.source.code;
  at("text").maxLength = about.characters;
  at("passes").max = about.most_passes;
  at("passes-label").hidden = !about.refines;
  askForToken();
}

function askForToken() {
  at("token-form").hidden = !about.needs_token || hasToken();
}

async function translate() {
  const own = ++turn;
  const text = at("text").value;
  if (!text.trim()) return;
  say("", "Translating");
  at("sentences").classList.add("busy");
  try {
    const shown = about.codes === "none" ? await plain(text) : await explained(text);
    if (own !== turn) return;
    at("sentences").replaceChildren(...shown.map((one) => one.element));
    say("", shown.map((one) => one.text).join(" "));
    for (const one of shown) if (own === turn) await one.compare();
  } catch (error) {
    if (own !== turn) return;
    say(error.message);
    if (error.status === 401 || error.status === 403) askForToken();
  } finally {
    if (own === turn) at("sentences").classList.remove("busy");
  }
}

async function explained(text) {
  const passes = about.refines ? Number(at("passes").value) : null;
  const answer = await ask("/v1/explain", { q: text, passes });
  return answer.sentences.map((one) => {
    const sentence = new Sentence(about, one, passes, say);
    return { element: sentence.element, text: one.text, compare: () => sentence.compare() };
  });
}

async function plain(text) {
  const languages = { source: about.source.code, target: about.target.code };
  const answer = await ask("/translate", { q: text, ...languages });
  const output = make("p", { class: "output", lang: about.target.code }, answer.translatedText);
  return [{ element: make("article", {}, output), text: answer.translatedText, compare: () => {} }];
}

at("form").addEventListener("submit", (event) => {
  event.preventDefault();
  translate();
});
at("text").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  at("form").requestSubmit();
});
at("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  keepToken(at("token").value);
  at("token").value = "";
  askForToken();
  say("");
  translate();
});
begin().catch((error) => say(error.message));
