"use strict";
/* The page of a star: what the list tells of it, and its light curve drawn from the file itself. */
const BAD_BITS = 1 | 2 | 4 | 8 | 32 | 128 | 512 | 4096 | 16384;
const IN_MASK = 2;

const tessphot = {};  // called by the scripts that hold the data

const star = (() => {
  const at = id => document.getElementById(id);
  let facts, model, row, file, turn = 0;

  async function start(given, item) {
    facts = given;
    at("pictures").hidden = false;
    model = (await Bokeh.embed.embed_item(item, "pictures")).roots[0].model;
    at("pictures").hidden = true;
    for (const id of ["column", "flagged", "relative"]) at(id).addEventListener("change", drawSeries);
    for (const id of ["period", "epoch"]) at(id).addEventListener("input", drawSeries);
    at("file").addEventListener("change", event => open(event.target.files[0]));
    for (const kind of ["dragover", "dragleave", "drop"]) document.body.addEventListener(kind, dragged);
    window.addEventListener("hashchange", show);
    show();
  }

  function dragged(event) {
    event.preventDefault();
    at("drop").classList.toggle("over", event.type === "dragover");
    if (event.type === "drop") open(event.dataTransfer.files[0]);
  }

  /* Scripts are all that a page from disk may load. */
  function load(path) {
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = path;
      script.onload = resolve;
      script.onerror = () => reject(new Error(`${path} is not there`));
      document.head.append(script);
    });
  }

  async function show() {
    const priority = Number(location.hash.slice(1)), now = ++turn;
    row = file = null;
    at("controls").hidden = at("pictures").hidden = true;
    at("header").replaceChildren();
    say("");
    const chunk = facts.starts.findLastIndex(first => first <= priority);
    if (chunk >= 0) {
      tessphot.rows = (number, rows) => {
        const index = rows.priority.indexOf(priority);
        if (index >= 0) row = Object.fromEntries(Object.entries(rows).map(([name, values]) => [name, values[index]]));
      };
      await load(`rows/${chunk}.js`);
    }
    if (now !== turn) return;  // another star was asked for meanwhile
    if (!row) return say("No star of this report has this number; choose one in the table.");
    showRow();
    let there = [];
    tessphot.have = numbers => { there = numbers; };
    await load("curves/index.js");
    if (now !== turn) return;
    if (!there.includes(priority)) return sayHow();
    at("cure").textContent = "";
    tessphot.curve = (number, name, content) => open(new File([Uint8Array.from(atob(content), one => one.charCodeAt(0))], name));
    await load(`curves/${priority}.js`);
  }

  const say = words => { at("message").textContent = words; };

  function sayHow() {
    if (!row.lightcurve) return;
    at("cure").textContent = row.has_file
      ? `Its light curve is ${facts.output}/${row.lightcurve}. To have it here: run_report.py ${facts.input} --starid ${row.starid}`
      : `Its light curve ${facts.output}/${row.lightcurve} is missing.`;
  }

  function nameOf(one) {
    return one.starid > 0 ? `TIC ${one.starid}` : `Star ${one.starid}`;
  }

  function addLine(table, ...cells) {
    const line = table.insertRow();
    cells.forEach((text, number) => {
      const cell = document.createElement(number ? "td" : "th");
      cell.textContent = text;
      line.append(cell);
    });
  }

  function showRow() {
    at("name").textContent = `${nameOf(row)}, sector ${row.sector}, camera ${row.camera}, CCD ${row.ccd}, ${row.cadence} s`;
    document.title = `${nameOf(row)} - tessphot`;
    at("row").replaceChildren();
    for (const [name, unit, meaning] of facts.facts) {
      const value = row[name];
      if (value === null || value === "") continue;
      addLine(at("row"), meaning, `${value}${unit ? " " + unit : ""}`);
    }
  }

  async function open(given) {
    if (!given) return;
    try {
      file = await fits.read(new Uint8Array(await given.arrayBuffer()));
    } catch (error) {
      return say(`${given.name} cannot be drawn: ${error.message}.`);
    }
    const primary = file.PRIMARY.header;
    say(row && primary.TICID !== null && String(primary.TICID) !== row.starid
      ? `${given.name} is of another star, ${primary.OBJECT}.` : "");
    at("header").replaceChildren();
    for (const [name, value] of Object.entries(primary)) if (value !== null) addLine(at("header"), name, String(value));
    chooseColumns();
    at("controls").hidden = at("pictures").hidden = false;
    drawStamp();
    drawSeries();
  }

  function chooseColumns() {
    const columns = Object.keys(file.LIGHTCURVE.columns).filter(name => /FLUX/.test(name) && !/_ERR$/.test(name));
    const before = at("column").value;
    at("column").replaceChildren(...columns.map(name => new Option(name)));
    for (const name of ["FLUX_CORR", "FLUX", before]) if (columns.includes(name)) at("column").value = name;
  }

  const find = name => model.document.get_model_by_name(name);

  const quantile = (sorted, part) => sorted[Math.min(sorted.length - 1, Math.max(0, Math.round(part * (sorted.length - 1))))];
  const sortedFinite = values => Float64Array.from(values.filter(Number.isFinite)).sort();

  /* A range with room around most of the values; reset goes back to it. */
  function setRange(name, values, low = 0.005, high = 0.995, share = 0.3) {
    const sorted = sortedFinite(values);
    if (!sorted.length) return;
    const least = quantile(sorted, low), most = quantile(sorted, high), room = share * (most - least) || Math.abs(most) * 0.01 || 1;
    setEnds(name, least - room, most + room);
  }

  const setEnds = (name, start, end) => find(name).setv({start, end, reset_start: start, reset_end: end});

  function drawSeries() {
    const columns = file.LIGHTCURVE.columns, flags = columns[file.PRIMARY.header.LAYOUT === "tasoc" ? "PIXEL_QUALITY" : "QUALITY"];
    const good = flags.map((flag, index) => (flag & BAD_BITS) === 0 && Number.isFinite(columns.TIME[index]));
    const name = at("column").value, period = Number(at("period").value), epoch = Number(at("epoch").value) || 0;
    const level = quantile(sortedFinite(columns[name].filter((_, index) => good[index])), 0.5);
    const relative = at("relative").checked && name !== "FLUX_CORR" && level > 0;
    const flux = columns[name].map(value => relative ? 1e3 * (value / level - 1) : value);
    const phase = columns.TIME.map(time => period > 0 ? ((time - epoch) / period % 1 + 1) % 1 : NaN);
    const all = {time: columns.TIME, phase, flux, columns: columns.POS_CORR1, rows: columns.POS_CORR2,
                 background: columns.FLUX_BKG, cadence: columns.CADENCENO, quality: flags};
    for (const [source, wanted] of [["good", true], ["flagged", false]]) {
      const show = wanted || at("flagged").checked;
      find(source).data = Object.fromEntries(Object.entries(all).map(([key, values]) =>
        [key, values.filter((_, index) => show && good[index] === wanted && Number.isFinite(columns.TIME[index]))]));
    }
    const shown = values => values.filter((_, index) => good[index]);
    setRange("time", shown(all.time), 0, 1, 0.02);
    setRange("flux range", shown(flux));
    setRange("fold range", shown(flux));
    setRange("motion range", [...shown(all.columns), ...shown(all.rows)]);
    setRange("background range", shown(all.background));
    const unit = relative ? "ppt" : name === "FLUX_CORR" ? "ppm" : "e-/s";
    for (const panel of ["flux", "fold"]) find(panel).left[0].axis_label = `${name} (${unit})`;
    find("fold").visible = period > 0;
  }

  function drawStamp() {
    const {image, header} = file.SUMIMAGE, mask = file.APERTURE.image.values.map(bits => (bits & IN_MASK) !== 0);
    const x0 = header.CRVAL1P ?? 1, y0 = header.CRVAL2P ?? 1, {width, height, values} = image;
    const x = values.map((_, index) => x0 + index % width), y = values.map((_, index) => y0 + Math.floor(index / width));
    const top = Math.max(1, ...values.filter(Number.isFinite));
    const side = 0.55 * Math.max(width, height), middle = [x0 + (width - 1) / 2, y0 + (height - 1) / 2];
    ["stamp columns", "stamp rows"].forEach((name, axis) => setEnds(name, middle[axis] - side, middle[axis] + side));
    find("light").setv({low: top * 1e-3, high: top});
    find("pixels").data = {x, y, value: values.map(value => value > top * 1e-3 ? value : top * 1e-3)};
    const inside = (column, line) => column >= 0 && column < width && line >= 0 && line < height && mask[line * width + column];
    const border = {x0: [], y0: [], x1: [], y1: []};
    const edge = (a, b, c, d) => { border.x0.push(a); border.y0.push(b); border.x1.push(c); border.y1.push(d); };
    for (let line = 0; line <= height; line++) for (let column = 0; column <= width; column++) {
      const left = x0 + column - 0.5, low = y0 + line - 0.5;
      if (inside(column, line) !== inside(column - 1, line)) edge(left, low, left, low + 1);
      if (inside(column, line) !== inside(column, line - 1)) edge(left, low, left + 1, low);
    }
    find("mask").data = border;
    const around = file.NEIGHBOURS ? file.NEIGHBOURS.columns : {};
    find("neighbours").data = {x: around.COLUMN ?? [], y: around.ROW ?? [], tmag: around.TMAG ?? [], light: around.LIGHT ?? [],
      star: (around.STARID ?? []).map(id => id === "0" ? "in no catalogue" : nameOf({starid: id})),
      size: (around.TMAG ?? []).map(tmag => Number.isFinite(tmag) ? Math.min(24, Math.max(5, 26 - 1.4 * tmag)) : 5)};
  }

  return {start};
})();
