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
    const asked = [...new FormData(form())].map(([name, value]) => [name, value.trim()]);
    const tests = asked.filter(([, value]) => value).map(([name, value]) => test(name, value));
    const number = source.data.priority.length, passes = new Array(number);
    let passed = 0;
    for (let row = 0; row < number; row++) passed += passes[row] = tests.every(one => one(row));
    chosen.booleans = passes;
    const told = [passed, number].map(one => one.toLocaleString("en"));
    document.getElementById("shown").textContent = `${told[0]} of ${told[1]} stars`;
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
    const [least, most] = ends(value);
    return row => values[row] >= least && values[row] <= most;
  }

  /* The interval behind a..b, a.., ..b; of a number alone what is rounded to it. */
  function ends(value) {
    if (value.includes("..")) {
      const [low, high] = value.split("..").map(end => end.trim());
      return [low === "" ? -Infinity : Number(low), high === "" ? Infinity : Number(high)];
    }
    const half = 0.5 * 10 ** -(value.split(".")[1] || "").length;
    return [Number(value) - half, Number(value) + half];
  }

  return {start};
})();
