// The Sun and the four giant planets for a number of steps, in double precision.
//
// Input:  steps [days per step]        Output: one line for every body, and the relative drift of the energy.
// A run index turns Saturn by as many degrees, so a bid of many runs sweeps over its starting position.
// Method: leapfrog (kick, drift, kick), which keeps the energy bounded. Units: astronomical units, days, solar masses.

import { numberAt, readFields, runIndex, writeText } from "./job";

const BODIES = 5;
const GRAVITY: f64 = 2.9591220828559e-4; // Gauss's constant squared: au^3 / (solar mass * day^2)
const MASSES: StaticArray<f64> = [1.0, 9.547919e-4, 2.858857e-4, 4.366244e-5, 5.151389e-5];
const DISTANCES: StaticArray<f64> = [0.0, 5.2026, 9.5549, 19.2184, 30.1104];
const DEGREES: StaticArray<f64> = [0.0, 34.4, 50.1, 314.1, 304.3];
const NAMES: StaticArray<string> = ["sun", "jupiter", "saturn", "uranus", "neptune"];

const place = new StaticArray<f64>(3 * BODIES);
const speed = new StaticArray<f64>(3 * BODIES);
const pull = new StaticArray<f64>(3 * BODIES);

function begin(turn: f64): void {
  for (let body = 1; body < BODIES; body++) {
    const angle = (DEGREES[body] + (body == 2 ? turn : 0.0)) * (Math.PI / 180.0);
    const distance = DISTANCES[body];
    const around = Math.sqrt((GRAVITY * (1.0 + MASSES[body])) / distance);
    const tilt = 0.02 * <f64>body;
    place[3 * body] = distance * Math.cos(angle);
    place[3 * body + 1] = distance * Math.sin(angle);
    place[3 * body + 2] = distance * tilt * Math.sin(angle);
    speed[3 * body] = -around * Math.sin(angle);
    speed[3 * body + 1] = around * Math.cos(angle);
    speed[3 * body + 2] = around * tilt * Math.cos(angle);
    // The Sun takes the opposite momentum, so the whole stays where it is.
    for (let axis = 0; axis < 3; axis++) speed[axis] -= MASSES[body] * speed[3 * body + axis];
  }
}

function accelerate(): void {
  for (let i = 0; i < 3 * BODIES; i++) unchecked((pull[i] = 0.0));
  for (let one = 0; one < BODIES; one++) {
    for (let other = one + 1; other < BODIES; other++) {
      const x = unchecked(place[3 * other] - place[3 * one]);
      const y = unchecked(place[3 * other + 1] - place[3 * one + 1]);
      const z = unchecked(place[3 * other + 2] - place[3 * one + 2]);
      const squared = x * x + y * y + z * z;
      const scale = GRAVITY / (squared * Math.sqrt(squared));
      const towards = scale * unchecked(MASSES[other]);
      const back = scale * unchecked(MASSES[one]);
      unchecked((pull[3 * one] += towards * x));
      unchecked((pull[3 * one + 1] += towards * y));
      unchecked((pull[3 * one + 2] += towards * z));
      unchecked((pull[3 * other] -= back * x));
      unchecked((pull[3 * other + 1] -= back * y));
      unchecked((pull[3 * other + 2] -= back * z));
    }
  }
}

function advance(days: f64): void {
  const half = 0.5 * days;
  for (let i = 0; i < 3 * BODIES; i++) {
    unchecked((speed[i] += half * pull[i]));
    unchecked((place[i] += days * speed[i]));
  }
  accelerate();
  for (let i = 0; i < 3 * BODIES; i++) unchecked((speed[i] += half * pull[i]));
}

function energy(): f64 {
  let total: f64 = 0.0;
  for (let one = 0; one < BODIES; one++) {
    let squared: f64 = 0.0;
    for (let axis = 0; axis < 3; axis++) squared += speed[3 * one + axis] * speed[3 * one + axis];
    total += 0.5 * MASSES[one] * squared;
    for (let other = one + 1; other < BODIES; other++) {
      let apart: f64 = 0.0;
      for (let axis = 0; axis < 3; axis++) {
        const distance = place[3 * other + axis] - place[3 * one + axis];
        apart += distance * distance;
      }
      total -= (GRAVITY * MASSES[one] * MASSES[other]) / Math.sqrt(apart);
    }
  }
  return total;
}

export function _start(): void {
  const fields = readFields();
  const steps = <i32>numberAt(fields, 0, 200000.0);
  const days = numberAt(fields, 1, 2.0);
  begin(<f64>runIndex());
  const before = energy();
  accelerate();
  for (let step = 0; step < steps; step++) advance(days);
  let report = "";
  for (let body = 0; body < BODIES; body++) {
    report += NAMES[body];
    for (let axis = 0; axis < 3; axis++) report += " " + place[3 * body + axis].toString();
    report += "\n";
  }
  writeText(report + "drift " + (energy() / before - 1.0).toString() + "\n");
}
