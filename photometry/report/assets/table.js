"use strict";
/* Filters of the table of all stars; what is asked for also stands behind # in the address. */
const table = (() => {
  let source, chosen;
  const form = () => document.getElementById("filters");

  async function start(item) {
    const views = await Bokeh.embed.embed_item(item, "stars-table");
    const model = views.roots[0].model;
    source = model.source;
    chosen = model.view.filter;
    fromAddress();
    form().addEventListener("input", apply);
    form().addEventListener("reset", () => setTimeout(apply));
    form().addEventListener("submit", event => event.preventDefault());
    window.addEventListener("hashchange", fromAddress);
  }

  function fromAddress() {
    for (const [name, value] of new URLSearchParams(location.hash.slice(1))) {
      const field = form().elements[name];
      if (field) field.value = value;
    }
    apply();
  }

  function apply() {
    const tests = [...new FormData(form())].filter(([, value]) => value.trim()).map(([name, value]) => test(name, value.trim()));
    const number = source.data.priority.length, passes = new Array(number);
    let passed = 0;
    for (let row = 0; row < number; row++) passed += passes[row] = tests.every(one => one(row));
    chosen.booleans = passes;
    document.getElementById("shown").textContent = `${passed.toLocaleString("en")} of ${number.toLocaleString("en")} stars`;
  }

  /* Whether a row passes one filter. */
  function test(name, value) {
    const values = source.data[name];
    if (name === "star") {
      const part = value.toLowerCase();
      return row => values[row].toLowerCase().includes(part);
    }
    if (name in WORDS) {
      const code = WORDS[name].indexOf(value);
      return row => values[row] === code;
    }
    const [low, high] = value.includes("..") ? value.split("..") : [value, value];
    const least = low === "" ? -Infinity : Number(low), most = high === "" ? Infinity : Number(high);
    return row => values[row] >= least && values[row] <= most;
  }

  return {start};
})();
