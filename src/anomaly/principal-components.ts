/** Principal components of a window × metric matrix (ml-pca), as plain typed arrays. */
import { PCA } from "ml-pca";

/** Columns beyond this are left out: the decomposition grows with their number. */
export const COLUMNS_MAX = 512;

export interface Components {
  /** One loading vector per component, each as long as the columns. */
  readonly loadings: readonly Float64Array[];
}

/**
 * `rows`: centred and scaled, no NaN, at least two. `varianceShare`: components are kept until they hold this share of
 * the variance.
 */
export function principalComponents(rows: readonly number[][], varianceShare: number): Components {
  // XX′ and X′X have the same eigenvalues: the smaller one is decomposed, in a fraction of the time of an SVD of X.
  const isWide = (rows[0]?.length ?? 0) > rows.length;
  const pca = new PCA(isWide ? productsOfRows(rows) : productsOfColumns(rows), { isCovarianceMatrix: true });
  const cumulative = pca.getCumulativeVariance();
  const vectors = pca.getLoadings();
  let kept = cumulative.findIndex((share) => share >= varianceShare) + 1;
  if (kept === 0) kept = cumulative.length;
  const loadings: Float64Array[] = [];
  for (let k = 0; k < kept; k++) {
    const vector = Float64Array.from(vectors.getRow(k));
    loadings.push(isWide ? throughRows(rows, vector) : vector);
  }
  return { loadings };
}

function productsOfRows(rows: readonly number[][]): number[][] {
  const products: number[][] = rows.map(() => []);
  for (const [i, row] of rows.entries()) {
    for (let j = 0; j <= i; j++) {
      const other = rows[j]!;
      let sum = 0;
      for (let column = 0; column < row.length; column++) sum += row[column]! * other[column]!;
      products[i]![j] = sum;
      products[j]![i] = sum;
    }
  }
  return products;
}

function productsOfColumns(rows: readonly number[][]): number[][] {
  const width = rows[0]?.length ?? 0;
  const products = Array.from({ length: width }, () => new Array<number>(width).fill(0));
  for (const row of rows) {
    for (let i = 0; i < width; i++) {
      const value = row[i]!;
      const line = products[i]!;
      for (let j = 0; j <= i; j++) line[j]! += value * row[j]!;
    }
  }
  for (let i = 0; i < width; i++) for (let j = 0; j < i; j++) products[j]![i] = products[i]![j]!;
  return products;
}

/** The loading of an eigenvector u of XX′: X′u, of length 1. */
function throughRows(rows: readonly number[][], vector: Float64Array): Float64Array {
  const loading = new Float64Array(rows[0]!.length);
  for (const [i, row] of rows.entries()) {
    const weight = vector[i]!;
    for (let column = 0; column < loading.length; column++) loading[column]! += weight * row[column]!;
  }
  const length = Math.sqrt(dot(loading, loading));
  if (length > 0) for (let column = 0; column < loading.length; column++) loading[column]! /= length;
  return loading;
}

export function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
