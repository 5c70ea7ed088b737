/**
 * The tables of the PostgreSQL sink, as numbered steps that only go forward. Names from data are values in columns:
 * no step depends on a dataset, a field or a metric.
 *
 * Storage is apart from what people query. Datasets, slices and metric names stand once each (`series`,
 * `metric_names`); a window is a row of `window_data`, and its values follow each other in `value_data`, so that one
 * metric over time and all metrics of one window are both short walks along an index. The views say all of it in
 * words, and are the contract (docs/grafana.md); storage may change with a later step.
 */
import { StreamgaugeError } from "../core/errors.ts";
import { BEGIN, type Queryable, quoteSchema } from "./postgres-connection.ts";

interface Migration {
  readonly version: number;
  readonly name: string;
  /** Statements; `S` stands for the quoted schema. */
  readonly sql: string;
}

const TABLES = `
CREATE TABLE S.series (
  id           integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  dataset      text NOT NULL,
  slice        text NOT NULL,
  size_seconds integer NOT NULL,
  size         text NOT NULL,
  UNIQUE (dataset, slice, size_seconds)
);
COMMENT ON TABLE S.series IS 'A slice of a dataset in windows of one size';

CREATE TABLE S.metric_names (
  id   integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL UNIQUE
);

CREATE TABLE S.window_data (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  series_id    integer NOT NULL REFERENCES S.series,
  window_start timestamptz NOT NULL,
  window_end   timestamptz NOT NULL,
  revision     integer NOT NULL,
  partial      boolean NOT NULL,
  consumed     bigint NOT NULL,
  valid        bigint NOT NULL,
  invalid      bigint NOT NULL,
  undecodable  bigint NOT NULL,
  tombstone    bigint NOT NULL,
  future       bigint NOT NULL,
  late         bigint NOT NULL,
  filtered     bigint NOT NULL,
  fingerprint  bytea NOT NULL,
  UNIQUE (series_id, window_start, window_end)
);
COMMENT ON COLUMN S.window_data.fingerprint IS 'Hash of the record: one that comes again is not written again';

-- No foreign key: its check costs more than the rest of an insert; values are written and removed with their window only.
CREATE TABLE S.value_data (
  window_id  bigint NOT NULL,
  metric_id  integer NOT NULL,
  value      double precision,
  low        double precision,
  mid        double precision,
  high       double precision,
  value_text text,
  PRIMARY KEY (window_id, metric_id)
);

CREATE TABLE S.verdict_data (
  series_id    integer NOT NULL REFERENCES S.series,
  "by"         text NOT NULL,
  window_start timestamptz NOT NULL,
  window_end   timestamptz NOT NULL,
  revision     integer NOT NULL,
  outcome      text NOT NULL,
  score        double precision,
  p_value      double precision,
  alarm        boolean NOT NULL,
  severity     text,
  causes       jsonb NOT NULL,
  PRIMARY KEY (series_id, "by", window_start, window_end)
);

CREATE TABLE S.alerts (
  incident     text NOT NULL,
  state        text NOT NULL,
  dataset      text NOT NULL,
  slices       text[] NOT NULL,
  severity     text NOT NULL,
  window_start timestamptz NOT NULL,
  window_end   timestamptz NOT NULL,
  revision     integer NOT NULL,
  reason       text NOT NULL,
  sentence     text NOT NULL,
  causes       jsonb NOT NULL,
  evidence     jsonb NOT NULL,
  at           timestamptz NOT NULL,
  log_offset   bigint NOT NULL,
  PRIMARY KEY (incident, window_start, window_end, revision, state)
);
CREATE INDEX ON S.alerts (dataset, window_start);
COMMENT ON COLUMN S.alerts.at IS 'Wall time at which the judge told it';
COMMENT ON COLUMN S.alerts.log_offset IS 'Position on the alerts topic: the order of alerts of the same time';
`;

const VIEWS = `
CREATE VIEW S.windows AS
SELECT s.dataset, s.slice, s.size, s.size_seconds, w.window_start, w.window_end, w.revision, w.partial,
  w.consumed, w.valid, w.invalid, w.undecodable, w.tombstone, w.future, w.late, w.filtered
FROM S.window_data w JOIN S.series s ON s.id = w.series_id;

CREATE VIEW S.metric_values AS
SELECT s.dataset, s.slice, s.size, s.size_seconds, w.window_start, w.window_end, m.name AS metric,
  v.value, v.value_text, v.low, v.mid, v.high, w.revision, w.partial
FROM S.series s
JOIN S.window_data w ON w.series_id = s.id
JOIN S.value_data v ON v.window_id = w.id
JOIN S.metric_names m ON m.id = v.metric_id;

CREATE VIEW S.verdicts AS
SELECT s.dataset, s.slice, s.size, s.size_seconds, v.window_start, v.window_end, v.revision, v."by", v.outcome,
  v.score, v.p_value, v.alarm, v.severity, v.causes
FROM S.verdict_data v JOIN S.series s ON s.id = v.series_id;

-- The newest window of every series, with what the detector said of it.
CREATE VIEW S.latest_windows AS
SELECT s.dataset, s.slice, s.size, s.size_seconds, w.window_start, w.window_end, w.revision, w.partial,
  w.consumed, w.valid, w.invalid, w.undecodable, w.tombstone, w.future, w.late, w.filtered,
  v.outcome, v.score, v.alarm, v.severity, v.causes
FROM S.series s
CROSS JOIN LATERAL (
  SELECT * FROM S.window_data d WHERE d.series_id = s.id ORDER BY d.window_start DESC LIMIT 1
) w
LEFT JOIN S.verdict_data v ON v.series_id = s.id AND v."by" = 'detector'
  AND v.window_start = w.window_start AND v.window_end = w.window_end;

-- The values of the newest window of every series.
CREATE VIEW S.latest_values AS
SELECT s.dataset, s.slice, s.size, s.size_seconds, w.window_start, w.window_end, m.name AS metric,
  v.value, v.value_text, v.low, v.mid, v.high, w.revision, w.partial
FROM S.series s
CROSS JOIN LATERAL (
  SELECT * FROM S.window_data d WHERE d.series_id = s.id ORDER BY d.window_start DESC LIMIT 1
) w
JOIN S.value_data v ON v.window_id = w.id
JOIN S.metric_names m ON m.id = v.metric_id;

-- One row per incident; time, timeend, text, tags are the columns of a Grafana annotation. While the incident is open,
-- timeend is the end of the last window that was told.
CREATE VIEW S.incidents AS
SELECT a.incident, a.dataset, last.state, a.severity, first.window_start AS opened, a.opened_at,
  CASE WHEN last.state = 'resolved' THEN greatest(last.window_start, first.window_end) END AS resolved,
  CASE WHEN last.state = 'resolved' THEN last.at END AS resolved_at,
  first.sentence, told.sentence AS latest_sentence, told.slices, told.causes, a.alerts,
  first.window_start AS time,
  CASE WHEN last.state = 'resolved' THEN greatest(last.window_start, first.window_end) ELSE a.last_end END AS timeend,
  first.sentence AS text,
  concat_ws(',', a.severity, CASE WHEN last.state = 'resolved' THEN 'resolved' ELSE 'open' END,
    replace(a.dataset, ',', ' ')) AS tags
FROM (
  SELECT incident, dataset, min(severity) AS severity, count(*) AS alerts, max(window_end) AS last_end,
    min(at) AS opened_at
  FROM S.alerts GROUP BY incident, dataset
) a
CROSS JOIN LATERAL (
  SELECT * FROM S.alerts f WHERE f.incident = a.incident ORDER BY f.at, f.log_offset LIMIT 1
) first
CROSS JOIN LATERAL (
  SELECT * FROM S.alerts l WHERE l.incident = a.incident ORDER BY l.at DESC, l.log_offset DESC LIMIT 1
) last
CROSS JOIN LATERAL (
  SELECT * FROM S.alerts t WHERE t.incident = a.incident
  ORDER BY (t.state = 'resolved'), t.at DESC, t.log_offset DESC LIMIT 1
) told;

-- For people who keep only so much of the past: SELECT forget_before(now() - interval '400 days').
CREATE FUNCTION S.forget_before(until timestamptz) RETURNS bigint LANGUAGE sql AS $$
  WITH gone AS (DELETE FROM S.window_data WHERE window_end < until RETURNING id),
    gone_values AS (DELETE FROM S.value_data v USING gone WHERE v.window_id = gone.id),
    gone_verdicts AS (DELETE FROM S.verdict_data WHERE window_end < until),
    gone_alerts AS (
      DELETE FROM S.alerts a WHERE (SELECT max(b.window_end) FROM S.alerts b WHERE b.incident = a.incident) < until
    )
  SELECT count(*) FROM gone
$$;
COMMENT ON FUNCTION S.forget_before IS 'Removes windows, values, verdicts and incidents that ended before; says how many windows';
`;

/**
 * Incidents of streamgauge itself: a gap, an overlap or a reset happened and is over at once, for it cannot be mended; what is told
 * of a partition that is heard again spans the silence. Replaced, not dropped: readers keep their rights.
 */
const OWN_INCIDENTS = `
CREATE OR REPLACE VIEW S.incidents AS
SELECT a.incident, a.dataset, CASE WHEN k.is_over THEN 'resolved' ELSE last.state END AS state, a.severity,
  first.window_start AS opened, a.opened_at,
  CASE WHEN k.is_own AND k.is_over THEN last.window_end
    WHEN k.is_over THEN greatest(last.window_start, first.window_end) END AS resolved,
  CASE WHEN k.is_over THEN last.at END AS resolved_at,
  first.sentence, told.sentence AS latest_sentence, told.slices, told.causes, a.alerts,
  first.window_start AS time,
  CASE WHEN k.is_over AND NOT k.is_own THEN greatest(last.window_start, first.window_end) ELSE a.last_end END AS timeend,
  first.sentence AS text,
  concat_ws(',', a.severity, CASE WHEN k.is_over THEN 'resolved' ELSE 'open' END, replace(a.dataset, ',', ' ')) AS tags,
  CASE WHEN k.is_own THEN 'streamgauge' ELSE 'data' END AS kind
FROM (
  SELECT incident, dataset, min(severity) AS severity, count(*) AS alerts, max(window_end) AS last_end,
    min(at) AS opened_at
  FROM S.alerts GROUP BY incident, dataset
) a
CROSS JOIN LATERAL (
  SELECT * FROM S.alerts f WHERE f.incident = a.incident ORDER BY f.at, f.log_offset LIMIT 1
) first
CROSS JOIN LATERAL (
  SELECT * FROM S.alerts l WHERE l.incident = a.incident ORDER BY l.at DESC, l.log_offset DESC LIMIT 1
) last
CROSS JOIN LATERAL (
  SELECT * FROM S.alerts t WHERE t.incident = a.incident
  ORDER BY (t.state = 'resolved'), t.at DESC, t.log_offset DESC LIMIT 1
) told
CROSS JOIN LATERAL (
  SELECT first.reason IN ('offset-gap', 'offset-overlap', 'offset-reset', 'unheard', 'heard') AS is_own,
    last.state = 'resolved' OR first.reason IN ('offset-gap', 'offset-overlap', 'offset-reset') AS is_over
) k;
COMMENT ON COLUMN S.incidents.kind IS 'data: what the detector says of the events; streamgauge: what is wrong with the watching';
`;

/** A window may be told of twice with the same revision: once as a whole, and once as a slice that was revised by itself. */
const ALERTS_BY_SLICES = `
ALTER TABLE S.alerts DROP CONSTRAINT alerts_pkey,
  ADD PRIMARY KEY (incident, window_start, window_end, revision, state, slices);
`;

/**
 * What ended before the deployment first started is a backtest: it is shown, but nothing of it is open or alarms. Readers filter by the
 * column, which stands last in each view.
 */
const BACKTEST = `
ALTER TABLE S.alerts ADD COLUMN backtest boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN S.alerts.backtest IS 'Of a past that the deployment trains on: nobody was to be told';
ALTER TABLE S.verdict_data ADD COLUMN backtest boolean NOT NULL DEFAULT false;

CREATE OR REPLACE VIEW S.verdicts AS
SELECT s.dataset, s.slice, s.size, s.size_seconds, v.window_start, v.window_end, v.revision, v."by", v.outcome,
  v.score, v.p_value, v.alarm, v.severity, v.causes, v.backtest
FROM S.verdict_data v JOIN S.series s ON s.id = v.series_id;

CREATE OR REPLACE VIEW S.latest_windows AS
SELECT s.dataset, s.slice, s.size, s.size_seconds, w.window_start, w.window_end, w.revision, w.partial,
  w.consumed, w.valid, w.invalid, w.undecodable, w.tombstone, w.future, w.late, w.filtered,
  v.outcome, v.score, v.alarm, v.severity, v.causes, coalesce(v.backtest, false) AS backtest
FROM S.series s
CROSS JOIN LATERAL (
  SELECT * FROM S.window_data d WHERE d.series_id = s.id ORDER BY d.window_start DESC LIMIT 1
) w
LEFT JOIN S.verdict_data v ON v.series_id = s.id AND v."by" = 'detector'
  AND v.window_start = w.window_start AND v.window_end = w.window_end;

CREATE OR REPLACE VIEW S.incidents AS
SELECT a.incident, a.dataset, CASE WHEN k.is_over THEN 'resolved' ELSE last.state END AS state, a.severity,
  first.window_start AS opened, a.opened_at,
  CASE WHEN k.is_own AND k.is_over THEN last.window_end
    WHEN k.is_over THEN greatest(last.window_start, first.window_end) END AS resolved,
  CASE WHEN k.is_over THEN last.at END AS resolved_at,
  first.sentence, told.sentence AS latest_sentence, told.slices, told.causes, a.alerts,
  first.window_start AS time,
  CASE WHEN k.is_over AND NOT k.is_own THEN greatest(last.window_start, first.window_end) ELSE a.last_end END AS timeend,
  CASE WHEN a.backtest THEN 'backtest: ' ELSE '' END || first.sentence AS text,
  concat_ws(',', a.severity, CASE WHEN k.is_over THEN 'resolved' WHEN a.backtest THEN NULL ELSE 'open' END,
    CASE WHEN a.backtest THEN 'backtest' END, replace(a.dataset, ',', ' ')) AS tags,
  CASE WHEN k.is_own THEN 'streamgauge' ELSE 'data' END AS kind,
  a.backtest
FROM (
  SELECT incident, dataset, min(severity) AS severity, count(*) AS alerts, max(window_end) AS last_end,
    min(at) AS opened_at, bool_and(backtest) AS backtest
  FROM S.alerts GROUP BY incident, dataset
) a
CROSS JOIN LATERAL (
  SELECT * FROM S.alerts f WHERE f.incident = a.incident ORDER BY f.at, f.log_offset LIMIT 1
) first
CROSS JOIN LATERAL (
  SELECT * FROM S.alerts l WHERE l.incident = a.incident ORDER BY l.at DESC, l.log_offset DESC LIMIT 1
) last
CROSS JOIN LATERAL (
  SELECT * FROM S.alerts t WHERE t.incident = a.incident
  ORDER BY (t.state = 'resolved'), t.at DESC, t.log_offset DESC LIMIT 1
) told
CROSS JOIN LATERAL (
  SELECT first.reason IN ('offset-gap', 'offset-overlap', 'offset-reset', 'unheard', 'heard') AS is_own,
    last.state = 'resolved' OR first.reason IN ('offset-gap', 'offset-overlap', 'offset-reset') AS is_over
) k;
COMMENT ON COLUMN S.incidents.backtest IS 'It began before the deployment first started, and nobody was told of it since';
`;

const CONCENTRATION = `
ALTER TABLE S.alerts ADD COLUMN concentration jsonb NOT NULL DEFAULT '[]';
COMMENT ON COLUMN S.alerts.concentration IS 'Partitions, schema ids and producers in which the change concentrates';
`;

const MIGRATIONS: readonly Migration[] = [
  { version: 1, name: "tables", sql: TABLES },
  { version: 2, name: "views", sql: VIEWS },
  { version: 3, name: "incidents of streamgauge itself", sql: OWN_INCIDENTS },
  { version: 4, name: "alerts of one window by slices", sql: ALERTS_BY_SLICES },
  { version: 5, name: "backtests", sql: BACKTEST },
  { version: 6, name: "where a change concentrates", sql: CONCENTRATION },
];
export const LATEST_VERSION = MIGRATIONS.length;

/** Written to; a role that may not cannot be a sink. */
const WRITTEN = ["series", "metric_names", "window_data", "value_data", "verdict_data", "alerts"];

/**
 * Brings the schema to the newest version, in one transaction and one process at a time.
 * @param where The database, for messages.
 * @throws {StreamgaugeError} `SG_CONFIG` when the tables are newer than this program, or the role may not write.
 */
export async function migrate(db: Queryable, options: { readonly schema: string; readonly where: string }) {
  const { schema, where } = options;
  const quoted = quoteSchema(schema);
  await db.query(BEGIN);
  await db.query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", [`streamgauge migrations of ${schema}`]);
  const exists = "SELECT to_regnamespace($1) IS NOT NULL AS schema, to_regclass($2) IS NOT NULL AS versions";
  const found = (await db.query<{ schema: boolean; versions: boolean }>(exists, [quoted, `${quoted}.migrations`]))
    .rows[0];
  // Not IF NOT EXISTS: that needs the right to create schemas even where there is nothing to create.
  if (found?.schema !== true) await db.query(`CREATE SCHEMA ${quoted}`);
  if (found?.versions !== true) {
    await db.query(
      `CREATE TABLE ${quoted}.migrations (version integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())`,
    );
  }
  const version = await versionOf(db, quoted);
  if (version > LATEST_VERSION) {
    throw new StreamgaugeError(
      "SG_CONFIG",
      `Cannot write to schema ${schema} of ${where}: its tables are of version ${version}, this streamgauge knows up ` +
        `to ${LATEST_VERSION}; use the newer streamgauge that made them, or another schema`,
    );
  }
  for (const migration of MIGRATIONS) {
    if (migration.version <= version) continue;
    await db.query(migration.sql.replaceAll(/\bS\./g, `${quoted}.`));
    await db.query(`INSERT INTO ${quoted}.migrations (version, name) VALUES ($1, $2)`, [
      migration.version,
      migration.name,
    ]);
  }
  await assertWritable(db, options);
  await db.query("COMMIT");
}

async function versionOf(db: Queryable, quoted: string): Promise<number> {
  const { rows } = await db.query<{ version: number | null }>(
    `SELECT max(version) AS version FROM ${quoted}.migrations`,
  );
  return rows[0]?.version ?? 0;
}

/** Found at the start, not with the first window that closes. */
async function assertWritable(db: Queryable, options: { readonly schema: string; readonly where: string }) {
  const { rows } = await db.query<{ name: string; role: string }>(
    `SELECT t.name, current_user AS role FROM unnest($1::text[]) AS t(name)
     WHERE NOT (has_table_privilege($2 || '.' || t.name, 'SELECT') AND has_table_privilege($2 || '.' || t.name, 'INSERT')
       AND has_table_privilege($2 || '.' || t.name, 'UPDATE') AND has_table_privilege($2 || '.' || t.name, 'DELETE'))`,
    [WRITTEN, quoteSchema(options.schema)],
  );
  const [first] = rows;
  if (first === undefined) return;
  throw new StreamgaugeError(
    "SG_CONFIG",
    `Cannot write to schema ${options.schema} of ${options.where}: role ${first.role} may not read and write ` +
      `${rows.map(({ name }) => name).join(", ")}; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ` +
      `${options.schema} to it, or let it own the schema`,
  );
}
