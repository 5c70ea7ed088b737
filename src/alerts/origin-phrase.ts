/** Where the change of a cause concentrates, in words. */
import { metricName } from "../core/metric.ts";
import type { Cause, Concentration } from "../core/verdict.ts";

/** A share that is told as all. */
const ALL_SHARE = 0.995;

/** "all of it from partition 3"; undefined: there is nothing to say of this cause. */
export function originPhrase(cause: Cause, concentration: readonly Concentration[]): string | undefined {
  const [first] = concentration.filter(({ metric }) => metric === cause.metric);
  if (first === undefined) return undefined;
  // The tightest dimension stands first.
  const named = concentration.filter(
    ({ metric, dimension }) => metric === first.metric && dimension === first.dimension,
  );
  if (metricName(cause.metric) === "row_count") return rowsPhrase(named);
  const share = named.reduce((sum, one) => sum + one.share, 0);
  const amount = share >= ALL_SHARE ? "all of it" : `${Math.round(share * 100)} % of it`;
  const names = namesOf(named);
  const isNew = named.every((one) => one.isNew === true);
  if (first.dimension !== "schema") return `${amount} from ${names}${isNew ? ", new here" : ""}`;
  return isNew ? `${amount} since ${names} came` : `${amount} in events of ${names}`;
}

/** "partition 3 sent 20 rows, usually 300". */
function rowsPhrase(named: readonly Concentration[]): string {
  const sum = (figure: (one: Concentration) => number | null) => {
    return Math.round(named.reduce((total, one) => total + (figure(one) ?? 0), 0));
  };
  const rows = sum(({ observed }) => observed);
  const usual = sum((one) => one.usual);
  const usually = `usually ${usual === 0 ? "none" : usual.toLocaleString("en-US")}`;
  const names = namesOf(named);
  const count = `${rows === 1 ? "1 row" : `${rows.toLocaleString("en-US")} rows`}`;
  if (named[0]!.dimension === "schema") return `${rows === 0 ? "no rows" : count} of ${names}, ${usually}`;
  return `${names} sent ${rows === 0 ? "nothing" : count}, ${usually}`;
}

function namesOf(named: readonly Concentration[]): string {
  const { dimension } = named[0]!;
  const known = named.flatMap(({ value }) => (value === null ? [] : [value]));
  const names = known.length === 0 ? [] : [`${titleOf(dimension, known.length)}${inWords(known)}`];
  if (known.length < named.length) names.push(dimension === "schema" ? "no schema id" : "events without a producer");
  return names.join(" and ");
}

function titleOf(dimension: Concentration["dimension"], count: number): string {
  const many = count === 1 ? "" : "s";
  switch (dimension) {
    case "partition":
      return `partition${many} `;
    case "schema":
      return `schema id${many} `;
    case "producer":
      // Its value says what it is: service=checkout.
      return "";
    default:
      return dimension satisfies never;
  }
}

/** "3", "3 and 7", "3, 5 and 7". */
function inWords(names: readonly string[]): string {
  if (names.length === 1) return names[0]!;
  return `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}
