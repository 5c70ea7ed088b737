/**
 * The components against those of ml-pca's singular value decomposition of the same matrix: another way than that of
 * `principalComponents()`, which decomposes the products of rows or of columns.
 */
import { PCA } from "ml-pca";
import { describe, expect, test } from "vitest";
import { dot, principalComponents } from "../../src/anomaly/principal-components.ts";
import { SeededRandom } from "../../src/core/random.ts";
import { gaussian } from "./stream.ts";

type Rows = readonly (readonly number[])[];

interface Shape {
  readonly rows: number;
  readonly width: number;
  /** Independent causes behind the columns; the width where they are as many. */
  readonly rank: number;
}

const SHAPES: readonly Shape[] = [
  { rows: 60, width: 8, rank: 8 },
  { rows: 120, width: 30, rank: 30 },
  // Rank-deficient: columns that are sums of others.
  { rows: 60, width: 12, rank: 4 },
  // Fewer windows than metrics, and as many.
  { rows: 21, width: 50, rank: 50 },
  { rows: 9, width: 40, rank: 5 },
  { rows: 15, width: 15, rank: 15 },
  { rows: 2, width: 6, rank: 6 },
  { rows: 40, width: 2, rank: 2 },
  { rows: 40, width: 1, rank: 1 },
];
const SHARES = [0.5, 0.9, 0.95, 0.999] as const;

/** Centred; each cause is weaker than the one before it, so that the components are distinct. */
function matrix({ rows, width, rank }: Shape, seed: number): number[][] {
  const random = new SeededRandom(seed);
  const mixing = Array.from({ length: rank }, (_, k) =>
    Array.from({ length: width }, () => gaussian(random) * 0.8 ** k),
  );
  const made = Array.from({ length: rows }, () => {
    const causes = mixing.map(() => gaussian(random));
    return Array.from({ length: width }, (_, column) => causes.reduce((sum, c, k) => sum + c * mixing[k]![column]!, 0));
  });
  return centred(made);
}

function centred(rows: Rows): number[][] {
  const means = rows[0]!.map((_, column) => rows.reduce((sum, row) => sum + row[column]!, 0) / rows.length);
  return rows.map((row) => row.map((value, column) => value - means[column]!));
}

interface Reference {
  readonly eigenvalues: readonly number[];
  /** As many as hold the share of the variance. */
  readonly loadings: readonly (readonly number[])[];
  readonly explained: number;
}

function reference(rows: Rows, share: number): Reference {
  const pca = new PCA(
    rows.map((row) => [...row]),
    { method: "SVD", center: false },
  );
  const cumulative = pca.getCumulativeVariance();
  const kept = cumulative.findIndex((sum) => sum >= share) + 1;
  return {
    eigenvalues: pca.getEigenvalues().slice(0, kept),
    loadings: pca.getLoadings().to2DArray().slice(0, kept),
    explained: cumulative[kept - 1]!,
  };
}

/** Variance of the rows along a direction. */
function varianceAlong(rows: Rows, loading: ArrayLike<number>): number {
  return rows.reduce((sum, row) => sum + project(loading, row) ** 2, 0) / (rows.length - 1);
}

function project(loading: ArrayLike<number>, row: readonly number[]): number {
  return row.reduce((sum, value, column) => sum + value * loading[column]!, 0);
}

function totalVariance(rows: Rows): number {
  return rows.reduce((sum, row) => sum + row.reduce((square, value) => square + value ** 2, 0), 0) / (rows.length - 1);
}

/** PP′ as a full matrix. */
function projector(loadings: readonly ArrayLike<number>[], width: number): number[][] {
  return Array.from({ length: width }, (_, i) =>
    Array.from({ length: width }, (_, j) => loadings.reduce((sum, loading) => sum + loading[i]! * loading[j]!, 0)),
  );
}

/** Squared length of what the components leave of a vector, and its squared distance within them in units of their variances. */
function statistics(rows: Rows, loadings: readonly ArrayLike<number>[], vector: readonly number[]) {
  const residual = [...vector];
  let tSquare = 0;
  for (const loading of loadings) {
    const t = project(loading, vector);
    tSquare += t ** 2 / varianceAlong(rows, loading);
    for (let column = 0; column < residual.length; column++) residual[column]! -= t * loading[column]!;
  }
  return { q: residual.reduce((sum, value) => sum + value ** 2, 0), tSquare };
}

describe.each(SHAPES)("principalComponents() of $rows windows × $width metrics of rank $rank", (shape) => {
  test.each(SHARES)(
    "has ml-pca's eigenvalues, explained variance, projector, Q and T² at %d of the variance",
    (share) => {
      for (let seed = 1; seed <= 6; seed++) {
        const rows = matrix(shape, 100 * seed + shape.width);
        const { loadings } = principalComponents(rows, share);
        const expected = reference(rows, share);
        expect(loadings).toHaveLength(expected.loadings.length);
        const total = totalVariance(rows);
        let explained = 0;
        for (const [k, loading] of loadings.entries()) {
          const variance = varianceAlong(rows, loading);
          explained += variance / total;
          expect(variance / total).toBeCloseTo(expected.eigenvalues[k]! / total, 10);
          // Orthonormal, and each the same direction as ml-pca's, whatever its sign.
          for (const [j, other] of loadings.entries()) expect(dot(loading, other)).toBeCloseTo(j === k ? 1 : 0, 9);
          expect(Math.abs(project(loading, [...expected.loadings[k]!]))).toBeCloseTo(1, 9);
        }
        expect(explained).toBeCloseTo(expected.explained, 10);
        expect(explained).toBeGreaterThanOrEqual(share - 1e-9);
        const own = projector(loadings, shape.width);
        const theirs = projector(expected.loadings, shape.width);
        for (let i = 0; i < shape.width; i++) {
          for (let j = 0; j < shape.width; j++) expect(own[i]![j]!).toBeCloseTo(theirs[i]![j]!, 8);
        }
        const random = new SeededRandom(seed);
        const vectors = [rows[0]!, rows.at(-1)!, Array.from({ length: shape.width }, () => 3 * gaussian(random))];
        for (const vector of vectors) {
          const length = vector.reduce((sum, value) => sum + value ** 2, 0);
          const mine = statistics(rows, loadings, vector);
          const right = statistics(rows, expected.loadings, vector);
          expect(mine.q / length).toBeCloseTo(right.q / length, 8);
          expect(mine.tSquare / (1 + right.tSquare)).toBeCloseTo(right.tSquare / (1 + right.tSquare), 7);
        }
      }
    },
  );
});

describe("principalComponents()", () => {
  test("of identical columns: one component, in which they have the same weight, and none of it is left", () => {
    for (const width of [2, 5, 40]) {
      const random = new SeededRandom(width);
      const rows = centred(Array.from({ length: 25 }, () => new Array<number>(width).fill(gaussian(random))));
      const { loadings } = principalComponents(rows, 0.95);
      expect(loadings).toHaveLength(1);
      for (const weight of loadings[0]!) expect(Math.abs(weight)).toBeCloseTo(1 / Math.sqrt(width), 10);
      expect(statistics(rows, loadings, rows[3]!).q).toBeCloseTo(0, 10);
      // One that leaves its twins is left over, but for its share of the mean.
      const [first = 0, ...others] = rows[3]!;
      expect(statistics(rows, loadings, [first + 1, ...others]).q).toBeCloseTo(1 - 1 / width, 10);
    }
  });

  test("of groups of identical columns: as many components as groups", () => {
    const random = new SeededRandom(5);
    const rows = centred(
      Array.from({ length: 40 }, () =>
        [3, 2, 1].flatMap((scale) => new Array<number>(7).fill(scale * gaussian(random))),
      ),
    );
    const { loadings } = principalComponents(rows, 0.999_999);
    expect(loadings).toHaveLength(3);
    for (const row of rows) expect(statistics(rows, loadings, row).q).toBeCloseTo(0, 9);
  });

  test("of one metric: that metric", () => {
    const rows = centred([[1], [2], [6], [3]]);
    const { loadings } = principalComponents(rows, 0.9);
    expect(loadings.map((loading) => [...loading].map(Math.abs))).toEqual([[1]]);
  });

  test("Planted defect: a component too few, or one that is not of length 1, has another projector", () => {
    const rows = matrix({ rows: 60, width: 8, rank: 8 }, 7);
    const { loadings } = principalComponents(rows, 0.95);
    const theirs = projector(reference(rows, 0.95).loadings, 8);
    const distance = (own: readonly (readonly number[])[]) =>
      Math.max(...own.flatMap((row, i) => row.map((value, j) => Math.abs(value - theirs[i]![j]!))));
    expect(distance(projector(loadings, 8))).toBeLessThan(1e-9);
    expect(distance(projector(loadings.slice(0, -1), 8))).toBeGreaterThan(0.01);
    expect(distance(projector([loadings[0]!.map((weight) => 1.1 * weight), ...loadings.slice(1)], 8))).toBeGreaterThan(
      0.01,
    );
  });
});
