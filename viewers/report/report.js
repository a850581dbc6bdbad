"use strict";
// Tables: click a header to sort, type a condition or a word to filter.
for (const box of document.querySelectorAll(".sortable")) {
  const data = JSON.parse(box.querySelector("script").textContent);
  const table = box.querySelector("table"), count = box.querySelector(".count"), more = box.querySelector(".more");
  let rows = data.rows, column = -1, up = true, shown = 50;
  const compare = (a, b) => {
    if (a === null || b === null) return (a === null) - (b === null);  // unknown values come last
    const order = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
    return up ? order : -order;
  };
  const test = (text) => {
    const parts = text.split(",").map((part) => part.trim()).filter(Boolean).map((part) => {
      const found = part.match(/^(\w+)\s*(<=|>=|=|<|>)\s*(.+)$/);
      const at = found ? data.columns.indexOf(found[1]) : -1;
      if (at < 0) return (row) => row.some((value) => String(value).toLowerCase().includes(part.toLowerCase()));
      const [, , sign, right] = found, number = Number(right);
      return (row) => {
        const value = row[at];
        if (value === null) return false;
        if (sign === "=") return String(value) === right || value === number;
        return { "<": value < number, ">": value > number, "<=": value <= number, ">=": value >= number }[sign];
      };
    });
    return (row) => parts.every((part) => part(row));
  };
  const draw = () => {
    table.replaceChildren();
    const head = table.createTHead().insertRow();
    data.columns.forEach((name, k) => {
      const cell = document.createElement("th");
      const [meaning, unit] = data.about[k];
      cell.textContent = name.replaceAll("_", " ") + (unit ? ` [${unit}]` : "") + (k === column ? (up ? " ▲" : " ▼") : "");
      cell.title = meaning;
      cell.tabIndex = 0;
      cell.setAttribute("aria-sort", k === column ? (up ? "ascending" : "descending") : "none");
      const sort = () => { up = k === column ? !up : true; column = k; order(); };
      cell.addEventListener("click", sort);
      cell.addEventListener("keydown", (event) => { if (event.key === "Enter") sort(); });
      head.append(cell);
    });
    const body = table.createTBody();
    for (const row of rows.slice(0, shown)) {
      const line = body.insertRow();
      for (const value of row) line.insertCell().textContent = value === null ? "" : String(value);
    }
    count.textContent = `${rows.length} of ${data.rows.length}`;
    more.hidden = rows.length <= shown;
  };
  const order = () => {
    if (column >= 0) rows = [...rows].sort((a, b) => compare(a[column], b[column]));
    draw();
  };
  box.querySelector("input").addEventListener("input", (event) => {
    rows = data.rows.filter(test(event.target.value));
    shown = 50;
    order();
  });
  more.addEventListener("click", () => { shown += 200; draw(); });
  draw();
}
// Maps: wheel or buttons zoom, dragging pans, pointing tells the synapse.
for (const box of document.querySelectorAll(".map")) {
  const data = JSON.parse(box.querySelector("script").textContent);
  const canvas = box.querySelector("canvas"), pen = canvas.getContext("2d"), images = [...box.querySelectorAll("img")];
  const switches = [...box.querySelectorAll("input[type=checkbox]")], hover = box.querySelector(".hover");
  let which = 0, scale = 1, left = 0, top = 0, held = null;
  const draw = () => {
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.fillStyle = "#000";
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.setTransform(scale, 0, 0, scale, left, top);
    pen.imageSmoothingEnabled = scale < 3;
    pen.drawImage(images[which], 0, 0);
    const shown = new Set(switches.filter((one) => one.checked).map((one) => one.value));
    const radius = Math.max(0.22 / data.pixel_um, 1.6 / scale);
    pen.lineWidth = radius / 2;
    for (const [, y, x, name] of data.points) {
      if (!shown.has(name)) continue;
      pen.strokeStyle = data.colors[name] || "#999999";
      pen.beginPath();
      pen.arc(x / data.pixel_um + 0.5, y / data.pixel_um + 0.5, radius, 0, 7);
      pen.stroke();
    }
    pen.setTransform(1, 0, 0, 1, 0, 0);
    const length = data.bar_um / data.pixel_um * scale, end = canvas.width - 24, low = canvas.height - 20;
    pen.fillStyle = "#fff";
    pen.fillRect(end - length, low, length, 4);
    pen.font = "16px sans-serif";
    pen.textAlign = "right";
    pen.fillText(`${data.bar_um} µm`, end, low - 8);
  };
  const whole = () => {
    const image = images[which];
    canvas.height = Math.round(canvas.width * Math.min(0.64, Math.max(0.4, image.naturalHeight / image.naturalWidth)));
    scale = Math.min(canvas.width / image.naturalWidth, canvas.height / image.naturalHeight);
    left = (canvas.width - scale * image.naturalWidth) / 2;
    top = (canvas.height - scale * image.naturalHeight) / 2;
    draw();
  };
  const at = (event) => {
    const frame = canvas.getBoundingClientRect(), ratio = canvas.width / frame.width;
    return [(event.clientX - frame.left) * ratio, (event.clientY - frame.top) * ratio];
  };
  const zoom = (factor, x, y) => {
    left = x - (x - left) * factor;
    top = y - (y - top) * factor;
    scale *= factor;
    draw();
  };
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2, ...at(event));
  }, { passive: false });
  canvas.addEventListener("pointerdown", (event) => { held = at(event); canvas.setPointerCapture(event.pointerId); });
  canvas.addEventListener("pointerup", () => { held = null; });
  canvas.addEventListener("pointermove", (event) => {
    const [x, y] = at(event);
    if (held) {
      left += x - held[0];
      top += y - held[1];
      held = [x, y];
      draw();
      return;
    }
    const px = (x - left) / scale, py = (y - top) / scale, reach = 8 / scale;
    const near = data.points.find((p) => Math.hypot(p[2] / data.pixel_um - px, p[1] / data.pixel_um - py) < reach);
    hover.textContent = near ? `synapse ${near[0]}: ${near[3]}` : "";
  });
  for (const button of box.querySelectorAll("button"))
    button.addEventListener("click", () => {
      const factor = Number(button.dataset.zoom);
      if (factor) zoom(factor, canvas.width / 2, canvas.height / 2); else whole();
    });
  for (const radio of box.querySelectorAll("input[type=radio]"))
    radio.addEventListener("change", () => { which = Number(radio.value); draw(); });
  for (const one of switches) one.addEventListener("change", draw);
  Promise.all(images.map((image) => image.decode())).then(whole);
}
