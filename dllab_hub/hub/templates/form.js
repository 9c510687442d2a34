// The page is complete without this. It adds the stepper, the forecast of every number, links to
// copy, and keeps what is said of GPUs and builds fresh.
(() => {
  const form = document.getElementById("spawn_form") ?? document.querySelector(".dllab").closest("form");
  if (!form) return;
  const by = (id) => document.getElementById(id);
  let data = JSON.parse(by("dllab-data").textContent);
  const words = (key, values = {}) => data.words[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
  const say = (element, text) => { if (element && element.textContent !== text) element.textContent = text; };
  const gpus = by("dllab-gpus"), type = by("dllab-gpu-type"), smaller = by("dllab-smaller");
  const wanted = () => (gpus ? Math.max(0, Math.floor(Number(gpus.value)) || 0) : 0);
  const count = (n) => (n === 0 ? words("none") : n === 1 ? words("gpu") : words("gpus", { n }));
  for (const part of document.querySelectorAll("[data-script]")) part.hidden = false;

  // --- GPUs: what would happen ------------------------------------------------------------------
  const predict = () => {
    const all = data.forecasts[type?.value ?? ""] ?? data.forecasts[""] ?? [];
    const line = by("dllab-forecast");
    for (const part of form.querySelectorAll("[data-gpu-only]")) part.hidden = !wanted();
    if (!line || !all.length) return;
    const valid = gpus.value !== "" && /^\d+$/.test(gpus.value);
    const last = all.at(-1);
    const beyond = last.answer === "never" ? last : {
      answer: "never", message: words("too_many", { n: gpus.max }), smaller: last.answer === "now" ? all.length - 1 : last.smaller,
    };
    const found = valid ? all[wanted()] ?? beyond : null;
    say(line, found?.message ?? words("choose", { n: gpus.max }));
    line.parentElement.dataset.answer = found?.answer ?? "";
    by("dllab-free").hidden = wanted() > 0 && ["now", "wait"].includes(found?.answer);  // It says the same.
    const other = found && found.answer !== "now" ? found.smaller : null;
    smaller.hidden = other === null || other === undefined || other >= wanted();
    if (smaller.hidden) return;
    smaller.dataset.gpus = other;
    say(smaller, other ? words("smaller", { n: count(other) }) : words("cpu"));
  };
  const limitIdle = () => {
    const idle = by("dllab-idle");
    const longest = wanted() ? data.gpu_idle : Number(idle.dataset.longest);
    for (const option of idle.options) {
      const minutes = Number(option.value);
      option.disabled = option.value !== "" && longest > 0 && (minutes === 0 || minutes > longest);
      if (option.disabled && option.selected) idle.value = "";
    }
    say(idle.options[0], data.idle_words[wanted() ? 1 : 0]);
  };

  // --- what was picked, in one line --------------------------------------------------------------
  const summarize = () => {
    const image = form.querySelector("input[name=image]:checked");
    const custom = image?.value === "custom";
    const own = by("dllab-custom");
    if (own) own.required = custom;
    const volumes = [...form.querySelectorAll("input[name=volumes]:checked")].map((box) => box.dataset.title);
    const shown = volumes.length > 3 ? [...volumes.slice(0, 3), `+${volumes.length - 3}`] : volumes;
    const title = custom ? own.value || words("custom") : image?.dataset.title ?? "";
    say(by("dllab-summary"), [title, count(wanted()), ...shown].filter(Boolean).join(" · "));
  };
  const update = () => { predict(); limitIdle(); summarize(); };

  const set = (number) => { gpus.value = number; update(); };
  for (const button of form.querySelectorAll(".dllab-stepper button")) {
    button.hidden = false;
    // One more than there can be is allowed to be seen: the sentence says why it cannot be had.
    button.addEventListener("click", () => set(Math.min(Number(gpus.max) + 1, Math.max(0, wanted() + Number(button.dataset.step)))));
  }
  smaller?.addEventListener("click", () => { set(smaller.dataset.gpus); gpus.focus(); });
  form.addEventListener("input", (event) => {
    if (event.target.id === "dllab-custom" && event.target.value) form.querySelector("input[value=custom][name=image]").checked = true;
    update();
  });

  // --- which lab ---------------------------------------------------------------------------------
  const name = by("dllab-name");
  const address = () => {
    if (!name || !data.url) return;
    const taken = data.running.includes(name.value);
    name.setCustomValidity(taken ? words("running") : "");
    const query = new URL(form.action).searchParams.get("_xsrf");
    const path = name.value && name.checkValidity() ? `${data.url}/${name.value}` : data.url;
    form.action = query ? `${path}?_xsrf=${encodeURIComponent(query)}` : path;
  };
  name?.addEventListener("input", address);
  if (name) form.addEventListener("submit", address, true);

  // --- many images -------------------------------------------------------------------------------
  by("dllab-filter")?.addEventListener("input", (event) => {
    const asked = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const card of form.querySelectorAll(".dllab-card")) {
      const text = card.textContent.toLowerCase();
      card.hidden = !asked.every((word) => text.includes(word)) && !card.querySelector(":checked");
      found += card.hidden ? 0 : 1;
    }
    say(by("dllab-filtered"), found ? "" : words("no_match"));
  });
  by("dllab-filter")?.addEventListener("keydown", (event) => { if (event.key === "Enter") event.preventDefault(); });

  // --- links: # fills the form in, ?opt- starts at once ----------------------------------------------
  const picked = () => {
    const found = new URLSearchParams();
    for (const [key, value] of new FormData(form)) {
      const plain = { gpu_type: "", cpus: "", memory: "", idle: "", requirements: "", custom: "", wait: "0" };
      if (["form", "_xsrf", "ssh", "ssh_key"].includes(key) || value === plain[key]) continue;
      if (key === "custom" && form.elements.image.value !== "custom") continue;
      if (["wait", "lend"].includes(key) && !wanted()) continue;
      found.append(key, value.replace(/\r\n/g, "\n"));
    }
    if (!by("dllab-tensorboard").checked) found.append("tensorboard", "off");
    return found;
  };
  const linked = (how) => {
    const base = new URL(data.url ? data.url.replace(/[^/]+$/, "").replace(/\/$/, "") : location.pathname, location.origin);
    if (how === "fill") return `${base}#${picked()}`;
    return `${base}?${[...picked()].map(([k, v]) => `opt-${k}=${encodeURIComponent(v)}`).join("&")}`;
  };
  for (const button of form.querySelectorAll("[data-copy]")) {
    button.addEventListener("click", async () => {
      const link = linked(button.dataset.copy);
      const shown = by("dllab-link");
      const copied = await navigator.clipboard?.writeText(link).then(() => true, () => false);
      const notes = [words(copied ? "copied" : "copy")];
      if (by("dllab-ssh").checked) notes.push(words("key"));
      if (button.dataset.copy === "start" && ["requirements", "custom"].some((key) => picked().has(key))) notes.push(words("code"));
      say(by("dllab-copied"), notes.join(" "));
      shown.hidden = Boolean(copied);
      shown.value = link;
      if (!copied) shown.select();
    });
  }
  const yes = (value) => ["1", "on", "true", "yes"].includes(value);
  const fill = (key, values) => {
    const fields = [...form.querySelectorAll("[name]")].filter((field) => field.name === key && field.type !== "hidden");
    if (!fields.length || key === "ssh_key" || key === "_xsrf") return values;
    if (["tensorboard", "ssh", "lend"].includes(key)) { fields[0].checked = yes(values.at(-1)); return []; }
    if (["radio", "checkbox"].includes(fields[0].type)) {
      const known = fields.map((field) => field.value);
      if (fields[0].type === "checkbox" || known.includes(values.at(-1))) for (const field of fields) field.checked = values.includes(field.value);
      return values.filter((value) => !known.includes(value));
    }
    const options = fields[0].options ? [...fields[0].options].map((option) => option.value) : null;
    if (options && !options.includes(values.at(-1))) return values;
    fields[0].value = values.at(-1);
    if (key === "requirements") fields[0].closest("details").open ||= Boolean(fields[0].value);
    return [];
  };
  const take = (asked) => {  // What cannot be filled in; a thing that is not offered is not missed when it is off.
    const strange = [];
    for (const key of new Set(asked.keys())) for (const value of fill(key, asked.getAll(key))) if (!["", "0", "off"].includes(value)) strange.push(`${key}=${value}`);
    return strange;
  };
  const prefill = () => {
    const asked = new URLSearchParams(location.hash.slice(1));
    if (asked.has("lang")) {
      const path = window.jhdata?.prefix ?? "/";
      document.cookie = `${data.cookie}=${encodeURIComponent(asked.get("lang"))}; path=${path}; max-age=31536000; samesite=lax`;
      history.replaceState(null, "", location.pathname + location.search);
      location.reload();
      return;
    }
    const strange = take(asked);
    say(by("dllab-strange"), strange.length ? words("strange", { names: strange.join(", ") }) : "");
    by("dllab-strange").hidden = !strange.length;
    update();
  };
  addEventListener("hashchange", prefill);

  // --- what a refusal offers: a link to this form is followed here, where everything is as it was typed ---
  document.querySelector(".spawn-error-msg")?.addEventListener("click", (event) => {
    const remedy = event.target.closest("a[data-dllab][href*='#']");
    if (!remedy) return;
    event.preventDefault();
    take(new URLSearchParams(remedy.hash.slice(1)));
    update();
    form.requestSubmit();
  });

  // --- what a refusal is about, at its field ------------------------------------------------------------
  const alert = document.querySelector(".spawn-error-msg[data-field]");
  const wrong = alert && form.querySelector(`[data-field="${CSS.escape(alert.dataset.field)}"]`);
  if (wrong) {
    const field = wrong.querySelector(":checked, input:not([type=hidden]), select, textarea");
    alert.id ||= "dllab-refusal";
    if (wrong.tagName === "DETAILS") wrong.open = true;
    field?.setAttribute("aria-invalid", "true");
    field?.setAttribute("aria-describedby", alert.id);
    if (field?.matches(".form-control, .form-select")) field.classList.add("is-invalid");
    const line = wrong.appendChild(document.createElement("p"));
    line.className = "dllab-wrong";
    line.textContent = alert.dataset.said;
    field?.focus({ preventScroll: true });
  }

  // --- fresh every ten seconds, while somebody looks -----------------------------------------------------
  setInterval(async () => {
    if (document.hidden) return;
    const answer = await fetch(location.pathname, { credentials: "same-origin" }).catch(() => null);
    if (!answer?.ok || answer.redirected) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("dllab-data");
    if (!fresh) return;
    data = JSON.parse(fresh.textContent);
    for (const old of form.querySelectorAll("[data-progress]")) {
      const now = page.querySelector(`[data-progress="${CSS.escape(old.dataset.progress)}"]`);
      old.hidden = !now;  // It is built.
      say(old, now?.textContent ?? "");
      old.closest("label")?.classList.toggle("dllab-is-building", Boolean(now));
    }
    if (by("dllab-free")) say(by("dllab-free"), page.getElementById("dllab-free")?.textContent ?? "");
    predict();
  }, 10000);
  prefill();
  addEventListener("DOMContentLoaded", update);  // What stands below this has been read.
})();
