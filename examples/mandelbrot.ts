// One tile of a picture of the Mandelbrot set.
//
// Input:  width height columns rows [iterations centre-x centre-y span], in pixels, tiles and units of the plane.
// Output: the tile's pixels, three bytes (red, green, blue) each, row by row; tile = run index, counted by rows.
// Width must be a multiple of columns and height of rows. examples/results.py joins the tiles to a PNG.

import { numberAt, readFields, runIndex, writeBytes } from "./job";

const SAMPLES = 2; // By side: four samples for a pixel, averaged.
const ESCAPE: f64 = 256.0;

function shade(position: f64, phase: f64): f64 {
  return 0.5 + 0.5 * Math.cos(2.0 * Math.PI * (position + phase));
}

/** Fraction of the way to the iteration limit, smoothed; negative inside the set. */
function escapeTime(x: f64, y: f64, iterations: i32): f64 {
  let a: f64 = 0.0;
  let b: f64 = 0.0;
  for (let step = 0; step < iterations; step++) {
    const aa = a * a;
    const bb = b * b;
    if (aa + bb > ESCAPE) {
      const smooth = <f64>step + 1.0 - Math.log(0.5 * Math.log(aa + bb)) / Math.LN2;
      return Math.sqrt(smooth / <f64>iterations);
    }
    b = 2.0 * a * b + y;
    a = aa - bb + x;
  }
  return -1.0;
}

export function _start(): void {
  const fields = readFields();
  const width = <i32>numberAt(fields, 0, 512.0);
  const height = <i32>numberAt(fields, 1, 512.0);
  const columns = <i32>numberAt(fields, 2, 4.0);
  const rows = <i32>numberAt(fields, 3, 4.0);
  const iterations = <i32>numberAt(fields, 4, 600.0);
  const centreX = numberAt(fields, 5, -0.743);
  const centreY = numberAt(fields, 6, 0.1319);
  const span = numberAt(fields, 7, 0.013);
  const tile = <i32>runIndex();
  if (columns < 1 || rows < 1 || width % columns != 0 || height % rows != 0 || tile >= columns * rows) unreachable();

  const tileWidth = width / columns;
  const tileHeight = height / rows;
  const left = (tile % columns) * tileWidth;
  const top = (tile / columns) * tileHeight;
  const unit = span / <f64>(width * SAMPLES);
  const pixels = new Uint8Array(3 * tileWidth * tileHeight);
  for (let row = 0; row < tileHeight; row++) {
    for (let column = 0; column < tileWidth; column++) {
      let red: f64 = 0.0;
      let green: f64 = 0.0;
      let blue: f64 = 0.0;
      for (let sample = 0; sample < SAMPLES * SAMPLES; sample++) {
        const x = (left + column) * SAMPLES + (sample % SAMPLES) - (width * SAMPLES) / 2;
        const y = (top + row) * SAMPLES + sample / SAMPLES - (height * SAMPLES) / 2;
        const time = escapeTime(centreX + <f64>x * unit, centreY + <f64>y * unit, iterations);
        if (time < 0.0) continue;
        red += shade(1.6 * time, 0.55);
        green += shade(1.6 * time, 0.65);
        blue += shade(1.6 * time, 0.75);
      }
      const scale: f64 = 255.0 / <f64>(SAMPLES * SAMPLES);
      const at = 3 * (row * tileWidth + column);
      unchecked((pixels[at] = <u8>Math.round(red * scale)));
      unchecked((pixels[at + 1] = <u8>Math.round(green * scale)));
      unchecked((pixels[at + 2] = <u8>Math.round(blue * scale)));
    }
  }
  writeBytes(pixels.dataStart, pixels.byteLength);
}
