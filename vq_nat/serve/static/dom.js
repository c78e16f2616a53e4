// Makes elements. Text is set as text: nothing that a reader or a model wrote is HTML.

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "onclick") element.addEventListener("click", value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

// Marks the words of `after` that are no part of the longest sequence it has in common
// with `before`.
export function marked(before, after) {
  const old = before.split(" ").filter(Boolean);
  const now = after.split(" ").filter(Boolean);
  const same = common(old, now);
  const parts = [];
  now.forEach((word, place) => {
    if (place) parts.push(" ");
    parts.push(same.has(place) ? word : make("mark", {}, word));
  });
  return parts;
}

function common(old, now) {
  const width = now.length + 1;
  const best = new Uint16Array((old.length + 1) * width);
  for (let i = old.length - 1; i >= 0; i--) {
    for (let j = now.length - 1; j >= 0; j--) {
      best[i * width + j] =
        old[i] === now[j]
          ? best[(i + 1) * width + j + 1] + 1
          : Math.max(best[(i + 1) * width + j], best[i * width + j + 1]);
    }
  }
  const kept = new Set();
  for (let i = 0, j = 0; i < old.length && j < now.length; ) {
    if (old[i] === now[j]) {
      kept.add(j);
      i++;
      j++;
    } else if (best[(i + 1) * width + j] >= best[i * width + j + 1]) i++;
    else j++;
  }
  return kept;
}

// Joins the words of steps; `joined` tells where one goes on in the next step.
export function spelled(words, joined) {
  let text = "";
  words.forEach((part, place) => {
    text += part;
    if (part && !joined[place]) text += " ";
  });
  return text.trim();
}

// Lets arrow keys move the focus among the buttons of a list.
export function arrows(list, back, forth) {
  list.addEventListener("keydown", (event) => {
    const step = back.includes(event.key) ? -1 : forth.includes(event.key) ? 1 : 0;
    const buttons = [...list.querySelectorAll("button")];
    const here = buttons.indexOf(document.activeElement);
    if (!step || here < 0) return;
    event.preventDefault();
    buttons[(here + step + buttons.length) % buttons.length].focus();
  });
}
