/** Principal components of a window × metric matrix (ml-pca), as plain typed arrays. */
import { PCA } from "ml-pca";

export interface Components {
  /** One loading vector per component, each as long as the columns. */
  readonly loadings: readonly Float64Array[];
}

/**
 * `rows`: centred and scaled, no NaN, at least two. `varianceShare`: components are kept until they hold this share of
 * the variance.
 */
export function principalComponents(rows: readonly ArrayLike<number>[], varianceShare: number): Components {
  const width = rows[0]?.length ?? 0;
  // One array: what the products walk through lies together.
  const flat = new Float64Array(rows.length * width);
  for (const [i, row] of rows.entries()) flat.set(row, i * width);
  // XX′ and X′X have the same eigenvalues: the smaller one is decomposed, in a fraction of the time of an SVD of X.
  const isWide = width > rows.length;
  const pca = new PCA(isWide ? productsOfRows(flat, width) : productsOfColumns(flat, width), {
    isCovarianceMatrix: true,
  });
  const cumulative = pca.getCumulativeVariance();
  const vectors = pca.getLoadings();
  let kept = cumulative.findIndex((share) => share >= varianceShare) + 1;
  if (kept === 0) kept = cumulative.length;
  const loadings: Float64Array[] = [];
  for (let k = 0; k < kept; k++) {
    const vector = Float64Array.from(vectors.getRow(k));
    loadings.push(isWide ? throughRows(flat, width, vector) : vector);
  }
  return { loadings };
}

function productsOfRows(flat: Float64Array, width: number): number[][] {
  const count = flat.length / width;
  const products = Array.from({ length: count }, () => new Array<number>(count).fill(0));
  for (let i = 0; i < count; i++) {
    const row = i * width;
    for (let j = 0; j <= i; j++) {
      const other = j * width;
      let sum = 0;
      for (let column = 0; column < width; column++) sum += flat[row + column]! * flat[other + column]!;
      products[i]![j] = sum;
      products[j]![i] = sum;
    }
  }
  return products;
}

function productsOfColumns(flat: Float64Array, width: number): number[][] {
  const products = Array.from({ length: width }, () => new Array<number>(width).fill(0));
  for (let row = 0; row < flat.length; row += width) {
    for (let i = 0; i < width; i++) {
      const value = flat[row + i]!;
      const line = products[i]!;
      for (let j = 0; j <= i; j++) line[j]! += value * flat[row + j]!;
    }
  }
  for (let i = 0; i < width; i++) for (let j = 0; j < i; j++) products[j]![i] = products[i]![j]!;
  return products;
}

/** The loading of an eigenvector u of XX′: X′u, of length 1. */
function throughRows(flat: Float64Array, width: number, vector: Float64Array): Float64Array {
  const loading = new Float64Array(width);
  for (let i = 0; i < vector.length; i++) {
    const weight = vector[i]!;
    const row = i * width;
    for (let column = 0; column < width; column++) loading[column]! += weight * flat[row + column]!;
  }
  const length = Math.sqrt(dot(loading, loading));
  if (length > 0) for (let column = 0; column < width; column++) loading[column]! /= length;
  return loading;
}

export function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
