// What the page asks the server.

// What the server says went wrong, for people.
export class Trouble extends Error {}

async function answer_of(response) {
  let body = null;
  try { body = await response.json(); } catch { /* told below */ }
  if (response.ok && body !== null) return body;
  const reason = body && body.error ? body.error : 'the server answered ' + response.status;
  throw new Trouble(reason);
}

async function fetched(path, options) {
  try {
    return await answer_of(await fetch(path, options));
  } catch (error) {
    if (error instanceof Trouble || error.name === 'AbortError') throw error;
    throw new Trouble('The server cannot be reached. Does it still run?');
  }
}

export const get = path => fetched(path, {});

// Fields of text and numbers; `pictures` are {file}, {name} or {test}. One is the field "image", several are "images".
export function post(task, fields, pictures, signal) {
  const several = fields.several;
  const path = '/api/' + task;
  const given = Object.entries(fields).filter(([name]) => name !== 'several');
  if (pictures.some(picture => picture.file)) {
    const form = new FormData();
    for (const [name, value] of given)
      for (const one of [value].flat()) form.append(name, String(one));
    for (const picture of pictures) {
      // A part cannot say that it is a test picture; files are sent, so that the others must be files too.
      form.append(several ? 'images' : 'image', picture.file, picture.file.name || 'picture');
    }
    return fetched(path, { method: 'POST', body: form, signal });
  }
  const images = pictures.map(picture => picture.test !== undefined ? { test: picture.test } : picture.name);
  const body = Object.fromEntries(given);
  if (several) body.images = images; else body.image = images[0];
  return fetched(path, { method: 'POST', body: JSON.stringify(body), signal,
    headers: { 'Content-Type': 'application/json' } });
}

const query = picture => picture.test !== undefined ? 'test=' + encodeURIComponent(picture.test)
                                                    : 'name=' + encodeURIComponent(picture.name);
// Where the browser finds it.
export function address_of(picture, small) {
  if (picture.file) return picture.url || (picture.url = URL.createObjectURL(picture.file));
  return '/api/picture?' + query(picture) + (small ? '&small=1' : '');
}

// With files among them, all are files.
export async function all_sendable(pictures) {
  if (!pictures.some(picture => picture.file)) return pictures;
  return Promise.all(pictures.map(async picture => {
    if (picture.file) return picture;
    const blob = await (await fetch(address_of(picture))).blob();
    return { file: new File([blob], picture.test ?? picture.name) };
  }));
}
