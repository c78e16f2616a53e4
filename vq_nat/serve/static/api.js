// Asks the service; whatever goes wrong becomes an Error with one sentence.

const KEY = "vq-nat-token";

export function keepToken(token) {
  sessionStorage.setItem(KEY, token);
}

export function hasToken() {
  return sessionStorage.getItem(KEY) !== null;
}

export async function ask(path, body) {
  const headers = { Accept: "application/json" };
  const token = sessionStorage.getItem(KEY);
  if (token !== null) headers.Authorization = `Bearer ${token}`;
  const options = { headers };
  if (body !== undefined) {
    options.method = "POST";
    headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("The service does not answer.");
  }
  let answer = {};
  try {
    answer = await response.json();
  } catch {
    answer = { error: `The service answers ${response.status}, and nothing else.` };
  }
  if (response.ok) return answer;
  if (response.status === 401 || response.status === 403) sessionStorage.removeItem(KEY);
  const error = new Error(sentence(answer.error));
  error.status = response.status;
  throw error;
}

function sentence(text) {
  const reason = String(text ?? "The service gave no reason.");
  return reason.charAt(0).toUpperCase() + reason.slice(1);
}
