// The price of a European call option by Monte Carlo.
//
// Input:  spot strike rate volatility years paths        Output: "paths price standard-error", as decimal numbers.
// Every run draws its own paths from the seed of its run, so the runs of a bid average to a better price.
// Method: geometric Brownian motion at expiry, antithetic pairs, Marsaglia's polar method, xoshiro256** for the draws.

import { numberAt, readFields, seedWord, writeText } from "./job";

let s0: u64 = 0;
let s1: u64 = 0;
let s2: u64 = 0;
let s3: u64 = 0;

/** xoshiro256**, D. Blackman and S. Vigna, "Scrambled linear pseudorandom number generators", 2021. */
function draw(): u64 {
  const result = rotl<u64>(s1 * 5, 7) * 9;
  const shifted = s1 << 17;
  s2 ^= s0;
  s3 ^= s1;
  s1 ^= s2;
  s0 ^= s3;
  s2 ^= shifted;
  s3 = rotl<u64>(s3, 45);
  return result;
}

/** Uniform in [-1, 1) with 53 bits. */
function symmetric(): f64 {
  return <f64>(draw() >> 11) * (2.0 / 9007199254740992.0) - 1.0;
}

let spare: f64 = 0.0;
let hasSpare = false;

/** A standard normal number (Marsaglia and Bray, 1964). */
function normal(): f64 {
  if (hasSpare) {
    hasSpare = false;
    return spare;
  }
  let a: f64 = 0.0;
  let b: f64 = 0.0;
  let squared: f64 = 0.0;
  do {
    a = symmetric();
    b = symmetric();
    squared = a * a + b * b;
  } while (squared >= 1.0 || squared == 0.0);
  const scale = Math.sqrt((-2.0 * Math.log(squared)) / squared);
  spare = b * scale;
  hasSpare = true;
  return a * scale;
}

export function _start(): void {
  const fields = readFields();
  const spot = numberAt(fields, 0, 100.0);
  const strike = numberAt(fields, 1, 105.0);
  const rate = numberAt(fields, 2, 0.03);
  const volatility = numberAt(fields, 3, 0.2);
  const years = numberAt(fields, 4, 1.0);
  const pairs = <i32>(numberAt(fields, 5, 2000000.0) / 2.0);
  if (pairs < 2) unreachable();
  s0 = seedWord();
  s1 = seedWord();
  s2 = seedWord();
  s3 = seedWord() | 1; // The state must not be all zeroes.

  const drift = (rate - 0.5 * volatility * volatility) * years;
  const spread = volatility * Math.sqrt(years);
  const discount = Math.exp(-rate * years);
  let mean: f64 = 0.0;
  let squares: f64 = 0.0;
  for (let pair = 1; pair <= pairs; pair++) {
    const step = spread * normal();
    const up = Math.max(spot * Math.exp(drift + step) - strike, 0.0);
    const down = Math.max(spot * Math.exp(drift - step) - strike, 0.0);
    const value = discount * 0.5 * (up + down);
    const difference = value - mean; // Welford's update keeps the variance accurate.
    mean += difference / <f64>pair;
    squares += difference * (value - mean);
  }
  const error = Math.sqrt(squares / <f64>(pairs - 1) / <f64>pairs);
  writeText((2 * pairs).toString() + " " + mean.toString() + " " + error.toString() + "\n");
}
