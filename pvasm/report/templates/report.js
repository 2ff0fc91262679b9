
"use strict";
(() => {
  const form = document.getElementById("filter");
  const open = (place) => {
    for (let at = place; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
  };
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open], .examples)")];
    for (const each of closed) each.open = true;
  });
  addEventListener("afterprint", () => { for (const each of closed) each.open = false; });
  const go = () => open(location.hash.length > 1 && document.getElementById(location.hash.slice(1)));
  addEventListener("hashchange", go);
  go();
  if (!form) return;
  form.hidden = false;
  const text = document.getElementById("filter-text");
  const files = [...document.querySelectorAll("details.file[data-path]")];
  const told = document.getElementById("filter-told");
  const apply = () => {
    const wanted = text.value.trim().toLowerCase();
    const levels = new Set([...form.querySelectorAll("input[name=level]:checked")].map((each) => each.value));
    let shown = 0, all = 0;
    for (const file of files) {
      const named = !wanted || file.dataset.path.toLowerCase().includes(wanted);
      let left = 0;
      for (const each of file.querySelectorAll(".finding")) {
        const fits = levels.has(each.dataset.level) && (named || each.textContent.toLowerCase().includes(wanted));
        each.hidden = !fits;
        left += fits;
        all += 1;
      }
      file.hidden = !left;
      shown += left;
    }
    told.textContent = shown === all ? "" : `${shown} of ${all} findings`;
  };
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("open-all").addEventListener("click", () => { for (const each of files) each.open = true; });
  document.getElementById("close-all").addEventListener("click", () => { for (const each of files) each.open = false; });
  apply();
})();
