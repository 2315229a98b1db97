/** How far a contender's result is that of the reference: the part of equal captions, or the least cosine of vectors. */
export function agreement(task, rows, expected) {
  return task === "captions" ? equalRows(rows, expected) : leastCosine(rows, expected);
}

const equalRows = (rows, expected) => rows.filter((row, at) => row.join() === expected[at].join()).length / rows.length;

const dot = (a, b) => a.reduce((sum, value, index) => sum + value * b[index], 0);
const cosine = (a, b) => dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
const leastCosine = (rows, expected) => Math.min(...rows.map((row, at) => cosine(row, expected[at])));
