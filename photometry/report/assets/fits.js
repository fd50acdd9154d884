"use strict";
/* Reads light-curve files: FITS with images and tables of numbers, zipped or not. */
const fits = (() => {
  const BLOCK = 2880, CARD = 80;

  /* Values of a header by keyword, and where its data begin. */
  function readHeader(bytes, start) {
    const values = {}, text = new TextDecoder("latin1");
    let last = null;
    for (let at = start; at + CARD <= bytes.length; at += CARD) {
      const card = text.decode(bytes.subarray(at, at + CARD)), key = card.slice(0, 8).trim();
      if (key === "END") return {values, data: start + Math.ceil((at + CARD - start) / BLOCK) * BLOCK};
      if (key === "CONTINUE" && typeof values[last] === "string" && values[last].endsWith("&")) {
        values[last] = values[last].slice(0, -1) + String(valueOf(card.slice(8)) ?? "");
      } else if (card.slice(8, 10) === "= ") {
        values[last = key] = valueOf(card.slice(10));
      }
    }
    throw new Error("a header does not end");
  }

  function valueOf(text) {
    const quoted = /^\s*'((?:[^']|'')*)'/.exec(text);
    if (quoted) return quoted[1].replaceAll("''", "'").trimEnd();
    const word = text.split("/")[0].trim();
    if (word === "") return null;
    return word === "T" ? true : word === "F" ? false : Number(word.replace("D", "E"));
  }

  function sizeOf(header) {
    let size = header.NAXIS ? 1 : 0;
    for (let axis = 1; axis <= header.NAXIS; axis++) size *= header[`NAXIS${axis}`];
    return Math.abs(header.BITPIX) / 8 * (size + (header.PCOUNT || 0));
  }

  const READERS = {
    D: [8, (view, at) => view.getFloat64(at)], E: [4, (view, at) => view.getFloat32(at)],
    J: [4, (view, at) => view.getInt32(at)], I: [2, (view, at) => view.getInt16(at)],
    B: [1, (view, at) => view.getUint8(at)], K: [8, (view, at) => String(view.getBigInt64(at))]};
  const OF_BITPIX = {"-64": "D", "-32": "E", "32": "J", "16": "I", "8": "B"};

  /* Columns of a table whose cells are single numbers; 64-bit integers as text. */
  function readTable(view, header, start) {
    const columns = {};
    let offset = 0;
    for (let number = 1; number <= header.TFIELDS; number++) {
      const [, repeat, kind] = /^(\d*)([A-Z])/.exec(header[`TFORM${number}`]);
      if (repeat > 1 || !(kind in READERS)) throw new Error(`column ${number} is of no known kind`);
      const [width, read] = READERS[kind], values = new Array(header.NAXIS2);
      for (let row = 0; row < header.NAXIS2; row++) values[row] = read(view, start + row * header.NAXIS1 + offset);
      columns[header[`TTYPE${number}`]] = values;
      offset += width;
    }
    return columns;
  }

  function readImage(view, header, start) {
    const [width, read] = READERS[OF_BITPIX[header.BITPIX]];
    const values = Array.from({length: header.NAXIS1 * header.NAXIS2}, (_, at) => read(view, start + at * width));
    return {width: header.NAXIS1, height: header.NAXIS2, values};
  }

  async function unzipped(bytes) {
    if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  /* The HDUs of a file by name: {header, columns} of a table, {header, image} of an image. */
  async function read(content) {
    const bytes = await unzipped(content), view = new DataView(bytes.buffer, bytes.byteOffset), hdus = {};
    for (let at = 0; at < bytes.length;) {
      const {values: header, data} = readHeader(bytes, at), size = sizeOf(header);
      const name = header.EXTNAME || "PRIMARY";
      if (!(data + size <= bytes.length)) throw new Error(`the file ends within ${name}`);
      hdus[name] = {header};
      if (header.XTENSION === "BINTABLE") hdus[name].columns = readTable(view, header, data);
      else if (header.NAXIS === 2) hdus[name].image = readImage(view, header, data);
      at = data + Math.ceil(size / BLOCK) * BLOCK;
    }
    if (!hdus.LIGHTCURVE) throw new Error("it has no table LIGHTCURVE");
    return hdus;
  }

  return {read};
})();
