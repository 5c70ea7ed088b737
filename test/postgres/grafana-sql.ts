/**
 * SQL as Grafana sends it: variables first (in the browser), then macros (in its back end). Facts: Grafana's
 * `SqlDatasource.interpolateVariable` and `grafana-postgresql-datasource/macros.go`.
 */

export interface QueryContext {
  readonly variables: Readonly<Record<string, string>>;
  readonly from: Date;
  readonly to: Date;
  /** `$__interval`, such as `1h`. */
  readonly interval: string;
}

const UNIT_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

export function grafanaSql(rawSql: string, context: QueryContext): string {
  return withMacros(withVariables(rawSql, context), context);
}

function withVariables(text: string, { variables, interval }: QueryContext): string {
  return text.replace(/\$(\w+)|\$\{(\w+)\}/g, (whole: string, plain?: string, braced?: string) => {
    const name = plain ?? braced ?? "";
    if (name === "__interval") return interval;
    // One value of a variable that takes one: quotes are doubled, and stand around it in the query.
    return variables[name]?.replaceAll("'", "''") ?? whole;
  });
}

function withMacros(text: string, { from, to }: QueryContext): string {
  return text.replace(/\$([_a-zA-Z0-9]+)\(([^)]*)\)/g, (_whole, name: string, list: string) => {
    const args = list.split(",").map((arg) => arg.trim());
    const [column = "", interval = ""] = args;
    switch (name) {
      case "__timeFilter":
        return `${column} BETWEEN '${from.toISOString()}' AND '${to.toISOString()}'`;
      case "__timeFrom":
        return `'${from.toISOString()}'`;
      case "__timeTo":
        return `'${to.toISOString()}'`;
      case "__timeGroupAlias": {
        const seconds = Number.parseInt(interval, 10) * (UNIT_SECONDS[interval.slice(-1)] ?? Number.NaN);
        return `floor(extract(epoch from ${column})/${seconds})*${seconds} AS "time"`;
      }
      default:
        throw new Error(`macro that this test does not know: ${name}`);
    }
  });
}
