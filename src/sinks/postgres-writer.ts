/**
 * Rows → tables, many per statement: each column travels as one array and `unnest` makes rows of them again, so that a
 * window of thousands of metrics is one statement. Names and values are only ever parameters.
 *
 * What is written is what reading the topic once, in order, leaves: of two records of one window the higher revision,
 * of the same revision the later one; of two that tell the same alert the later one. A record that comes again changes
 * nothing.
 */
import { array, textArray } from "./postgres-arrays.ts";
import type { Queryable } from "./postgres-connection.ts";
import {
  type AlertRow,
  COUNT_COLUMNS,
  sizeLabel,
  type VerdictRow,
  type WindowKey,
  type WindowRow,
} from "./postgres-records.ts";

interface SeriesRow {
  readonly id: number;
  readonly dataset: string;
  readonly slice: string;
  readonly size_seconds: number;
}

/** Values of one statement: some megabytes of parameters. */
const MAX_VALUES = 20_000;

/** The statements for one schema; `schema` stands quoted. Call inside a transaction. */
export class PostgresWriter {
  readonly #schema: string;

  constructor(quotedSchema: string) {
    this.#schema = quotedSchema;
  }

  async writeWindows(db: Queryable, rows: readonly WindowRow[]): Promise<void> {
    const newest = newestOf(rows, windowText);
    if (newest.length === 0) return;
    const series = await this.#seriesIds(db, newest);
    const taken = await this.#upsertWindows(db, newest, series);
    if (taken.length === 0) return;
    const metrics = await this.#metricIds(
      db,
      new Set(taken.flatMap(({ row }) => row.values.map(({ metric }) => metric))),
    );
    const ids = taken.map(({ id }) => id);
    await db.query(`DELETE FROM ${this.#schema}.value_data WHERE window_id = ANY ($1::bigint[])`, [array(ids)]);
    await this.#insertValues(db, taken, metrics);
  }

  async writeVerdicts(db: Queryable, rows: readonly VerdictRow[]): Promise<void> {
    const newest = newestOf(rows, (row) => `${windowText(row)}\0${row.by}`);
    if (newest.length === 0) return;
    const series = await this.#seriesIds(db, newest);
    await db.query(
      `INSERT INTO ${this.#schema}.verdict_data AS v
         (series_id, "by", window_start, window_end, revision, outcome, score, p_value, alarm, severity, causes,
           backtest)
       SELECT series_id, "by", to_timestamp(start_s), to_timestamp(end_s), revision, outcome, score, p_value, alarm,
         severity, causes, backtest
       FROM unnest($1::integer[], $2::text[], $3::float8[], $4::float8[], $5::integer[], $6::text[], $7::float8[],
         $8::float8[], $9::boolean[], $10::text[], $11::jsonb[], $12::boolean[])
         AS t(series_id, "by", start_s, end_s, revision, outcome, score, p_value, alarm, severity, causes, backtest)
       ON CONFLICT (series_id, "by", window_start, window_end) DO UPDATE SET
         revision = excluded.revision, outcome = excluded.outcome, score = excluded.score, p_value = excluded.p_value,
         alarm = excluded.alarm, severity = excluded.severity, causes = excluded.causes, backtest = excluded.backtest
       WHERE v.revision < excluded.revision OR (v.revision = excluded.revision
         AND (v.outcome, v.score, v.p_value, v.alarm, v.severity, v.causes, v.backtest) IS DISTINCT FROM
           (excluded.outcome, excluded.score, excluded.p_value, excluded.alarm, excluded.severity, excluded.causes,
             excluded.backtest))`,
      [
        array(newest.map((row) => series.get(seriesText(row)) ?? null)),
        textArray(newest.map(({ by }) => by)),
        array(newest.map(({ start }) => start)),
        array(newest.map(({ end }) => end)),
        array(newest.map(({ revision }) => revision)),
        textArray(newest.map(({ outcome }) => outcome)),
        array(newest.map(({ score }) => score)),
        array(newest.map(({ pValue }) => pValue)),
        array(newest.map(({ alarm }) => alarm)),
        textArray(newest.map(({ severity }) => severity)),
        textArray(newest.map(({ causes }) => causes)),
        array(newest.map(({ backtest }) => backtest)),
      ],
    );
  }

  async writeAlerts(db: Queryable, rows: readonly AlertRow[]): Promise<void> {
    const keyOf = (row: AlertRow) => [row.incident, row.start, row.end, row.revision, row.state, row.slices].join("\0");
    const inOrder = [...rows].sort((a, b) => a.at - b.at || a.offset - b.offset);
    const latest = newestOf(inOrder, keyOf);
    if (latest.length === 0) return;
    await db.query(
      `INSERT INTO ${this.#schema}.alerts AS a (incident, state, dataset, slices, severity, window_start, window_end,
         revision, reason, sentence, causes, evidence, at, log_offset, backtest, concentration)
       SELECT incident, state, dataset, ARRAY(SELECT jsonb_array_elements_text(slices)), severity,
         to_timestamp(start_s), to_timestamp(end_s), revision, reason, sentence, causes, evidence, to_timestamp(at_s),
         log_offset, backtest, concentration
       FROM unnest($1::text[], $2::text[], $3::text[], $4::jsonb[], $5::text[], $6::float8[], $7::float8[],
         $8::integer[], $9::text[], $10::text[], $11::jsonb[], $12::jsonb[], $13::float8[], $14::bigint[], $15::boolean[],
         $16::jsonb[])
         AS t(incident, state, dataset, slices, severity, start_s, end_s, revision, reason, sentence, causes, evidence,
           at_s, log_offset, backtest, concentration)
       ON CONFLICT (incident, window_start, window_end, revision, state, slices) DO UPDATE SET
         severity = excluded.severity, reason = excluded.reason,
         sentence = excluded.sentence, causes = excluded.causes, evidence = excluded.evidence, at = excluded.at,
         log_offset = excluded.log_offset, backtest = excluded.backtest, concentration = excluded.concentration
       WHERE (a.at, a.log_offset) < (excluded.at, excluded.log_offset)`,
      [
        textArray(latest.map(({ incident }) => incident)),
        textArray(latest.map(({ state }) => state)),
        textArray(latest.map(({ dataset }) => dataset)),
        textArray(latest.map(({ slices }) => slices)),
        textArray(latest.map(({ severity }) => severity)),
        array(latest.map(({ start }) => start)),
        array(latest.map(({ end }) => end)),
        array(latest.map(({ revision }) => revision)),
        textArray(latest.map(({ reason }) => reason)),
        textArray(latest.map(({ sentence }) => sentence)),
        textArray(latest.map(({ causes }) => causes)),
        textArray(latest.map(({ evidence }) => evidence)),
        array(latest.map(({ at }) => at)),
        array(latest.map(({ offset }) => offset)),
        array(latest.map(({ backtest }) => backtest)),
        textArray(latest.map(({ concentration }) => concentration)),
      ],
    );
  }

  /** The rows that are news, with the id of their window: inserted, or replacing a lower revision. */
  async #upsertWindows(db: Queryable, rows: readonly WindowRow[], series: ReadonlyMap<string, number>) {
    const columns = COUNT_COLUMNS.join(", ");
    const keyOf = (seriesId: number | undefined, start: number, end: number) => `${seriesId}|${start}|${end}`;
    const byKey = new Map(rows.map((row) => [keyOf(series.get(seriesText(row)), row.start, row.end), row]));
    const result = await db.query<{ id: string; series_id: number; start_s: number; end_s: number }>(
      `INSERT INTO ${this.#schema}.window_data AS w
         (series_id, window_start, window_end, revision, partial, fingerprint, ${columns})
       SELECT series_id, to_timestamp(start_s), to_timestamp(end_s), revision, partial, decode(fingerprint, 'hex'), ${columns}
       FROM unnest($1::integer[], $2::float8[], $3::float8[], $4::integer[], $5::boolean[], $6::text[],
         ${COUNT_COLUMNS.map((_, index) => `$${index + 7}::bigint[]`).join(", ")})
         AS t(series_id, start_s, end_s, revision, partial, fingerprint, ${columns})
       ON CONFLICT (series_id, window_start, window_end) DO UPDATE SET
         revision = excluded.revision, partial = excluded.partial, fingerprint = excluded.fingerprint,
         ${COUNT_COLUMNS.map((name) => `${name} = excluded.${name}`).join(", ")}
       WHERE w.revision < excluded.revision
         OR (w.revision = excluded.revision AND w.fingerprint <> excluded.fingerprint)
       RETURNING id, series_id, extract(epoch FROM window_start)::float8 AS start_s,
         extract(epoch FROM window_end)::float8 AS end_s`,
      [
        array(rows.map((row) => series.get(seriesText(row)) ?? null)),
        array(rows.map(({ start }) => start)),
        array(rows.map(({ end }) => end)),
        array(rows.map(({ revision }) => revision)),
        array(rows.map(({ partial }) => partial)),
        array(rows.map(({ fingerprint }) => fingerprint)),
        ...COUNT_COLUMNS.map((_, index) => array(rows.map(({ counts }) => counts[index] ?? 0))),
      ],
    );
    const taken: { readonly id: string; readonly row: WindowRow }[] = [];
    for (const { id, series_id, start_s, end_s } of result.rows) {
      const row = byKey.get(keyOf(series_id, start_s, end_s));
      if (row === undefined) throw new RangeError("PostgreSQL returned a window that was not written");
      taken.push({ id, row });
    }
    return taken;
  }

  async #insertValues(
    db: Queryable,
    taken: readonly { readonly id: string; readonly row: WindowRow }[],
    metrics: ReadonlyMap<string, number>,
  ): Promise<void> {
    const flat = taken.flatMap(({ id, row }) => row.values.map((value) => ({ id, value })));
    for (let from = 0; from < flat.length; from += MAX_VALUES) {
      const part = flat.slice(from, from + MAX_VALUES);
      const hasText = part.some(({ value }) => value.text !== null);
      await db.query(
        `INSERT INTO ${this.#schema}.value_data (window_id, metric_id, value, low, mid, high, value_text)
         SELECT * FROM unnest($1::bigint[], $2::integer[], $3::float8[], $4::float8[], $5::float8[], $6::float8[], $7::text[])`,
        [
          array(part.map(({ id }) => id)),
          array(part.map(({ value }) => metrics.get(value.metric) ?? null)),
          array(part.map(({ value }) => value.value)),
          array(part.map(({ value }) => value.low)),
          array(part.map(({ value }) => value.mid)),
          array(part.map(({ value }) => value.high)),
          // A shorter array is filled up with nulls.
          hasText ? textArray(part.map(({ value }) => value.text)) : "{}",
        ],
      );
    }
  }

  async #seriesIds(db: Queryable, rows: readonly WindowKey[]): Promise<Map<string, number>> {
    const wanted = new Map(rows.map((row) => [seriesText(row), row]));
    const find = async (keys: readonly WindowKey[]): Promise<SeriesRow[]> =>
      (
        await db.query<SeriesRow>(
          `SELECT s.id, s.dataset, s.slice, s.size_seconds FROM ${this.#schema}.series s
           JOIN unnest($1::text[], $2::text[], $3::integer[]) AS t(dataset, slice, size_seconds)
             USING (dataset, slice, size_seconds)`,
          [
            textArray(keys.map(({ dataset }) => dataset)),
            textArray(keys.map(({ slice }) => slice)),
            array(keys.map(({ sizeSeconds }) => sizeSeconds)),
          ],
        )
      ).rows;
    const insert = async (keys: readonly WindowKey[]): Promise<void> => {
      await db.query(
        `INSERT INTO ${this.#schema}.series (dataset, slice, size_seconds, size)
         SELECT * FROM unnest($1::text[], $2::text[], $3::integer[], $4::text[]) ON CONFLICT DO NOTHING`,
        [
          textArray(keys.map(({ dataset }) => dataset)),
          textArray(keys.map(({ slice }) => slice)),
          array(keys.map(({ sizeSeconds }) => sizeSeconds)),
          textArray(keys.map(({ sizeSeconds }) => sizeLabel(sizeSeconds))),
        ],
      );
    };
    const rowKey = (row: SeriesRow) => seriesText({ ...row, sizeSeconds: row.size_seconds });
    return idsOf(wanted, find, insert, rowKey);
  }

  async #metricIds(db: Queryable, names: ReadonlySet<string>): Promise<Map<string, number>> {
    const texts = new Map([...names].map((name) => [name, name]));
    const find = async (wanted: readonly string[]) =>
      (
        await db.query<{ id: number; name: string }>(
          `SELECT id, name FROM ${this.#schema}.metric_names WHERE name = ANY ($1::text[])`,
          [textArray(wanted)],
        )
      ).rows;
    const insert = async (wanted: readonly string[]): Promise<void> => {
      await db.query(
        `INSERT INTO ${this.#schema}.metric_names (name) SELECT * FROM unnest($1::text[]) ON CONFLICT DO NOTHING`,
        [textArray(wanted)],
      );
    };
    return idsOf(texts, find, insert, ({ name }) => name);
  }
}

/**
 * Ids of texts that stand once each in a table. Looked up first, because an insert that finds its row uses up an id
 * as well; inserted in order of the texts, so that two writers do not wait for each other in a circle. Nothing is
 * remembered between transactions: ids of one that was rolled back, or of tables that were dropped, are not ids.
 */
async function idsOf<Key, Row extends { readonly id: number }>(
  wanted: ReadonlyMap<string, Key>,
  find: (keys: readonly Key[]) => Promise<Row[]>,
  insert: (keys: readonly Key[]) => Promise<void>,
  textOfRow: (row: Row) => string,
): Promise<Map<string, number>> {
  const ids = new Map<string, number>();
  const note = (rows: readonly Row[]) => {
    for (const row of rows) ids.set(textOfRow(row), row.id);
  };
  note(await find([...wanted.values()]));
  const missing = [...wanted.keys()].filter((text) => !ids.has(text)).sort();
  if (missing.length === 0) return ids;
  const keys = missing.flatMap((text) => wanted.get(text) ?? []);
  await insert(keys);
  note(await find(keys));
  return ids;
}

/** Of rows with the same key the one with the highest revision, the last of these; sorted, for the order of locks. */
function newestOf<Row extends { readonly revision: number }>(
  rows: readonly Row[],
  keyOf: (row: Row) => string,
): readonly Row[] {
  const newest = new Map<string, Row>();
  for (const row of rows) {
    const key = keyOf(row);
    const known = newest.get(key);
    if (known === undefined || row.revision >= known.revision) newest.set(key, row);
  }
  return [...newest.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
}

function seriesText(row: Pick<WindowKey, "dataset" | "slice" | "sizeSeconds">): string {
  return `${row.dataset}\0${row.slice}\0${row.sizeSeconds}`;
}

function windowText(row: WindowKey): string {
  return `${seriesText(row)}\0${row.start}\0${row.end}`;
}
