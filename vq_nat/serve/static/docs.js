// Shows the OpenAPI description of the service.

import { ask } from "./api.js";
import { make } from "./dom.js";

function fields(body) {
  const schema = body?.content["application/json"].schema;
  if (!schema) return [];
  const needed = new Set(schema.required ?? []);
  const rows = Object.entries(schema.properties).flatMap(([name, field]) => [
    make("dt", {}, name),
    make("dd", {}, (field.description ?? "") + (needed.has(name) ? ", must be given" : "")),
  ]);
  return [make("dl", {}, ...rows)];
}

function command(method, path, body) {
  if (method === "get") return `curl ${location.origin}${path}`;
  const schema = body?.content["application/json"].schema;
  const known = { q: "A sentence.", source: "auto", codes: [[0]] };
  const values = Object.fromEntries(
    (schema?.required ?? []).map((name) => [name, known[name] ?? "…"]),
  );
  const json = JSON.stringify(values);
  return `curl ${location.origin}${path} -H 'Content-Type: application/json' \\\n  -d '${json}'`;
}

function door(path, method, about) {
  return make(
    "section",
    { class: "door" },
    make("h2", {}, `${method.toUpperCase()} ${path}`),
    ...(about.description ?? "").split("\n\n").map((text) => make("p", {}, text)),
    ...fields(about.requestBody),
    make("pre", { tabindex: "0" }, command(method, path, about.requestBody)),
  );
}

try {
  const description = await ask("/openapi.json");
  for (const [path, methods] of Object.entries(description.paths)) {
    for (const [method, about] of Object.entries(methods)) {
      document.getElementById("doors").append(door(path, method, about));
    }
  }
} catch (error) {
  document.getElementById("error").textContent = error.message;
}
