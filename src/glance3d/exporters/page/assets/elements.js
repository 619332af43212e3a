// The page's elements, and what some of them carry: JSON, and bytes as base64.

export function byId(id) {
  return document.getElementById(id);
}

export function readJson(id) {
  return JSON.parse(byId(id).textContent);
}

// Takes the text out of the page, so that it is not held twice.
export function takeBytes(element) {
  const text = atob(element.textContent);
  element.remove();
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i += 1) bytes[i] = text.charCodeAt(i);
  return bytes;
}
