"use strict";
// Sorts and filters the tables, lists the runs, and draws the curves of one. Text is set as text, never as HTML.
(() => {
  const PER_PAGE = 50;
  const MOST_PEERS = 40;
  const SVG = "http://www.w3.org/2000/svg";
  const make = (name, attributes = {}, ...children) => {
    const node = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    node.append(...children);
    return node;
  };
  const draw = (name, attributes, text) => {
    const node = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    if (text !== undefined) node.textContent = text;
    return node;
  };
  const numberOf = (value) => {
    if (typeof value === "number") return value;
    const found = parseFloat(value);
    return Number.isNaN(found) ? null : found;
  };
  // Numbers by size, then words, then nothing, whichever way round.
  const compare = (a, b, down) => {
    const x = numberOf(a), y = numberOf(b);
    if (x !== null && y !== null) return down ? y - x : x - y;
    if (x !== null || y !== null) return x !== null ? -1 : 1;
    const p = String(a ?? ""), q = String(b ?? "");
    if (!p || !q) return p ? -1 : q ? 1 : 0;
    return down ? q.localeCompare(p) : p.localeCompare(q);
  };
  const sortable = (headers, apply) => {
    headers.forEach((header, index) => {
      const button = make("button", { type: "button" }, header.textContent);
      header.replaceChildren(button);
      header.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const down = header.getAttribute("aria-sort") === "ascending";
        headers.forEach((other) => other.setAttribute("aria-sort", "none"));
        header.setAttribute("aria-sort", down ? "descending" : "ascending");
        apply(index, down);
      });
    });
  };
  const field = (name, control) => make("label", {}, name, control);

  for (const table of document.querySelectorAll("table.data")) {
    const body = table.tBodies[0];
    const rows = [...body.rows];
    if (rows.length < 2) continue;
    sortable([...table.tHead.rows[0].cells], (index, down) => {
      const text = (row) => row.cells[index].dataset.sort ?? row.cells[index].textContent;
      body.append(...[...rows].sort((a, b) => compare(text(a), text(b), down)));
    });
    if (rows.length < 6) continue;
    const input = make("input", { type: "search", autocomplete: "off" });
    const count = make("span", { role: "status" });
    // The figures of the index go with the rows that lead to the same page.
    const cards = [...document.querySelectorAll(".card")];
    const pageOf = (element) => element.querySelector("a")?.getAttribute("href");
    const cardOf = new Map(cards.map((card) => [pageOf(card), card]));
    input.addEventListener("input", () => {
      const wanted = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !wanted.every((word) => text.includes(word));
        shown += !row.hidden;
        const card = cardOf.get(pageOf(row));
        if (card) card.hidden = row.hidden;
      }
      for (const section of new Set(cards.map((card) => card.closest("section"))))
        section.hidden = !section.querySelector(".card:not([hidden])");
      count.textContent = wanted.length ? `${shown} of ${rows.length} rows` : "";
    });
    const tools = make("div", { class: "tools" }, field(`Filter: ${table.caption.textContent}`, input), count);
    table.closest(".scroll").before(tools);
  }

  const data = document.getElementById("runs-data");
  const section = document.getElementById("runs");
  if (!data || !section) return;
  // {columns: [names], rows: [[run id, status, ...]], group: [number of the cell's group], error: {row: text}}
  const runs = JSON.parse(data.textContent);
  const order = runs.rows.map((_, index) => index);
  const texts = runs.rows.map((row) => row.map((cell) => cell ?? "").join(" ").toLowerCase());
  let sorted = order, page = 0, opened = null;

  let curves = null;
  const readCurves = async () => {
    if (curves) return curves;
    const element = document.getElementById("curves-data");
    if (!element) return (curves = {});
    const bytes = Uint8Array.from(atob(element.textContent), (character) => character.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return (curves = JSON.parse(await new Response(stream).text()));
  };

  const input = make("input", { type: "search", autocomplete: "off" });
  const tools = make("div", { class: "tools" }, field("Filter the runs", input));
  const selects = [];
  runs.columns.forEach((name, index) => {
    if (!runs.choices.includes(name)) return;
    const values = [...new Set(runs.rows.map((row) => row[index]))].sort((a, b) => compare(a, b, false));
    if (values.length < 2 || values.length > 30) return;
    const select = make("select", {}, make("option", { value: "" }, "all"));
    values.forEach((value, at) => select.append(make("option", { value: String(at) }, String(value ?? "—"))));
    selects.push({ index, values, select });
    tools.append(field(name, select));
  });
  const count = make("span", { role: "status" });
  const previous = make("button", { type: "button" }, "Previous");
  const next = make("button", { type: "button" }, "Next");
  const headers = runs.columns.map((name, index) =>
    make("th", { scope: "col", ...(runs.numbers[index] ? { class: "number" } : {}) }, name));
  const body = make("tbody");
  const table = make("table", {}, make("caption", { class: "hidden" }, "Every run of the sweep"),
    make("thead", {}, make("tr", {}, ...headers)), body);
  const scroll = make("div", { class: "scroll" }, table);
  section.append(tools, scroll, make("div", { class: "tools" }, previous, next, count));

  const chosen = () => {
    const wanted = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const held = selects.filter(({ select }) => select.value !== "");
    return sorted.filter((row) => wanted.every((word) => texts[row].includes(word)) &&
      held.every(({ index, values, select }) => runs.rows[row][index] === values[Number(select.value)]));
  };
  const shorter = (value) => {
    if (typeof value !== "number" || Number.isInteger(value)) return String(value ?? "—");
    const size = Math.abs(value);
    return size >= 1e5 || size < 1e-3 ? value.toExponential(2) : String(Number(value.toPrecision(4)));
  };

  const chart = (name, own, peers) => {
    const [w, h, left, bottom, top] = [250, 132, 44, 18, 6];
    const all = [own, ...peers].filter(Boolean);
    const xs = all.flatMap((curve) => curve[0]), ys = all.flatMap((curve) => curve[1]).filter((y) => y !== null);
    let low = Math.min(...ys), high = Math.max(...ys);
    const wide = low > 0 && high / low > 50;
    const scale = wide ? Math.log10 : (value) => value;
    [low, high] = [scale(low), scale(high)];
    if (low === high) [low, high] = [low - Math.abs(low || 1) * 0.05, high + Math.abs(high || 1) * 0.05];
    const first = Math.min(...xs), last = Math.max(...xs);
    const px = (x) => left + ((x - first) / (last - first || 1)) * (w - left - 8);
    const py = (y) => h - bottom - ((scale(y) - low) / (high - low)) * (h - bottom - top);
    const ends = own[1].filter((y) => y !== null);
    const told = ends.length ? `from ${shorter(ends[0])} to ${shorter(ends[ends.length - 1])}` : "no value";
    const svg = draw("svg", { viewBox: `0 0 ${w} ${h}`, role: "img", "aria-label": `${name} ${told}` });
    for (const at of [0, 0.5, 1]) {
      const y = h - bottom - at * (h - bottom - top), value = low + at * (high - low);
      svg.append(draw("line", { class: "axis", x1: left, x2: w - 8, y1: y, y2: y }));
      svg.append(draw("text", { x: left - 4, y: y + 3.5, "text-anchor": "end" }, shorter(wide ? 10 ** value : value)));
    }
    svg.append(draw("text", { x: left, y: h - 4 }, shorter(first)));
    svg.append(draw("text", { x: w - 8, y: h - 4, "text-anchor": "end" }, shorter(last)));
    const line = (curve, name) => {
      let path = "", pen = false;
      curve[0].forEach((x, i) => {
        const y = curve[1][i];
        if (y === null) { pen = false; return; }
        path += `${pen ? "L" : "M"}${px(x).toFixed(1)} ${py(y).toFixed(1)}`;
        pen = true;
      });
      svg.append(draw("path", { class: name, d: path }));
    };
    peers.forEach((curve) => line(curve, "peer"));
    line(own, "own");
    const at = own[1].findLastIndex((y) => y !== null);
    if (at >= 0) svg.append(draw("circle", { class: "own-dot", r: 3, cx: px(own[0][at]), cy: py(own[1][at]) }));
    return make("figure", {}, make("figcaption", {}, `${name}: ${told}`), svg);
  };

  const detail = async (row) => {
    const known = await readCurves();
    const id = runs.rows[row][0], own = known[id] ?? {};
    const inside = make("div", { class: "inside" });
    const facts = make("dl", { class: "facts" });
    for (const [name, value] of runs.facts[row] ?? []) facts.append(make("dt", {}, name), make("dd", {}, String(value)));
    inside.append(facts);
    const names = Object.keys(own);
    const peers = order.filter((other) => other !== row && runs.group[other] === runs.group[row] &&
      known[runs.rows[other][0]]).slice(0, MOST_PEERS);
    if (names.length) {
      const note = peers.length ? `This run in colour; in grey ${peers.length} that differ in the seed alone.` : "";
      inside.append(make("p", { class: "note" }, note));
      inside.append(make("div", { class: "charts" }, ...names.map((name) =>
        chart(name, own[name], peers.map((other) => known[runs.rows[other][0]][name]).filter(Boolean)))));
    } else {
      inside.append(make("p", { class: "note" }, "This run left no curves."));
    }
    return make("tr", { class: "detail", id: `run-${id}` },
      make("td", { colspan: String(runs.columns.length) }, inside));
  };

  const show = async (line, button, row) => {
    const open = button.getAttribute("aria-expanded") === "true";
    for (const other of body.querySelectorAll(".detail")) other.remove();
    for (const other of body.querySelectorAll(".run")) other.setAttribute("aria-expanded", "false");
    opened = open ? null : row;
    if (open) return;
    button.setAttribute("aria-expanded", "true");
    const shown = await detail(row);
    if (opened === row) line.after(shown);
  };

  const render = () => {
    const rows = chosen();
    const last = Math.max(Math.ceil(rows.length / PER_PAGE) - 1, 0);
    page = Math.min(page, last);
    opened = null;
    const part = rows.slice(page * PER_PAGE, (page + 1) * PER_PAGE);
    body.replaceChildren(...part.map((row) => {
      const cells = runs.rows[row].slice(1).map((cell, at) => {
        const name = runs.numbers[at + 1] ? "number" : at === 0 ? `status-${cell}` : "";
        return make("td", name ? { class: name } : {}, shorter(cell));
      });
      const id = runs.rows[row][0];
      const button = make("button", { type: "button", class: "run", "aria-expanded": "false",
        "aria-controls": `run-${id}`, "aria-label": `Show the curves of run ${id}` }, id);
      const line = make("tr", { class: "opens" }, make("th", { scope: "row" }, button), ...cells);
      line.addEventListener("click", () => show(line, button, row));
      return line;
    }));
    const from = rows.length ? page * PER_PAGE + 1 : 0;
    count.textContent = `${from} to ${page * PER_PAGE + part.length} of ${rows.length} runs` +
      (rows.length < order.length ? ` (${order.length} in all)` : "");
    previous.disabled = page === 0;
    next.disabled = page === last;
  };
  sortable(headers, (index, down) => {
    sorted = [...order].sort((a, b) => compare(runs.rows[a][index], runs.rows[b][index], down));
    page = 0;
    render();
  });
  input.addEventListener("input", () => { page = 0; render(); });
  selects.forEach(({ select }) => select.addEventListener("change", () => { page = 0; render(); }));
  previous.addEventListener("click", () => { page -= 1; render(); });
  next.addEventListener("click", () => { page += 1; render(); });
  render();
})();
