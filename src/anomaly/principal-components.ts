/** Principal components of a window × metric matrix (ml-pca, SVD), as plain typed arrays. */
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
  const pca = new PCA(rows as number[][], { center: false });
  const cumulative = pca.getCumulativeVariance();
  const vectors = pca.getLoadings();
  let kept = cumulative.findIndex((share) => share >= varianceShare) + 1;
  if (kept === 0) kept = cumulative.length;
  const loadings: Float64Array[] = [];
  for (let k = 0; k < kept; k++) loadings.push(Float64Array.from(vectors.getRow(k)));
  return { loadings };
}

export function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
