"use strict";
(() => {
  // Tables: a button in each heading; the third click brings the first order back.
  const missing = "\u2013";
  const numeral = /^[+\u2212-]?\d[\d,]*(\.\d+)?(e[+\u2212-]?\d+)?/;
  const read = (text) => Number((numeral.exec(text) || [NaN])[0].toString().replaceAll(",", "").replaceAll("\u2212", "-"));
  const keys = (rows, column) => {
    const texts = rows.map((row) => row.cells[column].textContent.trim());
    const orders = rows.map((row, i) => {
      const given = row.cells[column].dataset.order;
      return texts[i] === missing ? null : given === undefined ? read(texts[i]) : Number(given);
    });
    return orders.some(Number.isNaN) ? texts.map((text) => (text === missing ? null : text)) : orders;
  };
  const compare = (a, b) => (typeof a === "string" ? a.localeCompare(b, "en", { numeric: true }) : a - b);
  const sorted = (rows, column, direction) => {
    const by = new Map(keys(rows, column).map((key, i) => [rows[i], key]));
    return [...rows].sort((one, other) => {
      const [a, b] = [by.get(one), by.get(other)];
      if (a === null || b === null) return (a === null) - (b === null);
      return direction === "descending" ? compare(b, a) : compare(a, b);
    });
  };
  const next = { none: "ascending", ascending: "descending", descending: "none" };
  for (const table of document.querySelectorAll("table")) {
    const body = table.tBodies[0];
    const rows = body ? [...body.rows] : [];
    if (rows.length < 2) continue;
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      head.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const direction = next[head.getAttribute("aria-sort")];
        heads.forEach((other) => other.setAttribute("aria-sort", other === head ? direction : "none"));
        body.append(...(direction === "none" ? rows : sorted(rows, column, direction)));
      });
    });
  }

  // Figures: what a browser shows after a while of waiting is shown at once, and at a touch.
  const tip = document.createElement("div");
  tip.id = "tip";
  tip.hidden = true;
  tip.setAttribute("aria-hidden", "true"); // the figure has a description, and the tables have the values
  document.body.append(tip);
  for (const title of document.querySelectorAll(".tips title")) {
    title.parentNode.dataset.tip = title.textContent;
    title.remove();
  }
  const show = (event) => {
    const place = event.target instanceof Element ? event.target.closest("[data-tip]") : null;
    tip.hidden = !place;
    if (!place) return;
    tip.textContent = place.dataset.tip;
    const [width, height] = [tip.offsetWidth, tip.offsetHeight];
    const room = document.documentElement.clientWidth;
    const left = event.clientX + 14 + width > room ? event.clientX - 14 - width : event.clientX + 14;
    const above = event.clientY - 14 - height;
    tip.style.left = `${Math.min(Math.max(left, 4), Math.max(room - width - 4, 4))}px`;
    tip.style.top = `${above < 4 ? event.clientY + 18 : above}px`;
  };
  const hide = () => {
    tip.hidden = true;
  };
  document.addEventListener("pointermove", show);
  document.addEventListener("pointerdown", show);
  document.addEventListener("scroll", hide, true);
  document.addEventListener("keydown", (event) => event.key === "Escape" && hide());

  // A link to a folded part unfolds it; on paper nothing is folded.
  const unfold = () => {
    const aim = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const part = aim && aim.closest("main details");
    if (part) part.open = true;
  };
  addEventListener("hashchange", unfold);
  unfold();
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("main details:not([open])")];
    folded.forEach((part) => (part.open = true));
  });
  addEventListener("afterprint", () => folded.forEach((part) => (part.open = false)));
})();
