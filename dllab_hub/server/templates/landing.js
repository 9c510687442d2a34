'use strict';
// What the page can do beyond its text: copy commands, choose TensorBoard's directories.

for (const button of document.querySelectorAll('[data-copy]')) {
  const text = document.getElementById(button.dataset.copy).textContent;
  const label = button.textContent;
  button.hidden = false;
  button.setAttribute('aria-live', 'polite');
  button.addEventListener('click', async () => {
    await write(text, document.getElementById(button.dataset.copy));
    button.textContent = button.dataset.done;
    setTimeout(() => (button.textContent = label), 2000);
  });
}

/** Copy; where the browser keeps its clipboard to https, select, so that Ctrl-C does it. */
async function write(text, element) {
  if (navigator.clipboard) {
    return navigator.clipboard.writeText(text);
  }
  getSelection().selectAllChildren(element);
  document.execCommand('copy');
}

// The language chosen here holds for the next visit too.
const chosen = new URLSearchParams(location.search).get('lang');
if (chosen === 'zh' || chosen === 'en') {
  document.cookie = `dllab-lang=${chosen}; path=${location.pathname}; max-age=31536000; samesite=lax`;
}

const boards = document.getElementById('boards');
if (boards !== null) {
  const api = `${document.body.dataset.api}tensorboards`;
  const list = boards.querySelector('ul');
  const form = boards.querySelector('form');
  const problem = boards.querySelector('.problem');

  const ask = async (method, url, body) => {
    problem.hidden = true;
    try {
      const answer = await fetch(url, {
        method,
        headers: { 'Content-Type': 'application/json', 'X-XSRFToken': document.body.dataset.xsrf },
        body: body && JSON.stringify(body)
      });
      const data = await answer.json();
      if (answer.ok) {
        return data;
      }
      problem.textContent = `${data.error.message} ${data.error.hint}`;
    } catch {
      problem.textContent = 'The lab does not answer.';
    }
    problem.hidden = false;
    return null;
  };

  const row = (text, title, name) => {
    const item = document.createElement('li');
    const words = document.createElement('span');
    words.textContent = text;
    words.title = title;
    item.append(words);
    if (name !== undefined) {
      const button = document.createElement('button');
      button.type = 'button';
      button.textContent = boards.dataset.remove;
      button.setAttribute('aria-label', `${boards.dataset.remove} ${name}`);
      button.addEventListener('click', async () =>
        show(await ask('DELETE', `${api}/${encodeURIComponent(name)}`))
      );
      item.append(button);
    }
    return item;
  };

  const show = board => {
    if (board !== null && board !== undefined) {
      const added = board.directories.map(({ name, path }) => row(`${name}: ${path}`, path, name));
      list.replaceChildren(row(boards.dataset.jobs, board.logdir), ...added);
      boards.hidden = false;
    }
  };

  form.addEventListener('submit', async event => {
    event.preventDefault();
    const board = await ask('POST', api, { directory: form.directory.value.trim() });
    if (board !== null) {
      form.reset();
      show(board);
    }
  });
  ask('GET', api).then(answer => show(answer?.tensorboards[0]));
}
