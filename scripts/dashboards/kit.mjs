/**
 * Grafana's JSON in fewer words: panels that all have a title, a description, a unit and a sentence for when there is
 * nothing to show. Data sources are variables, so that the files can be imported anywhere.
 */

/** A variable of Grafana inside a link or an id. */
export const ref = (name) => `\${${name}}`;

export const POSTGRES = { type: "grafana-postgresql-datasource", uid: ref("postgres") };
export const PROMETHEUS = { type: "prometheus", uid: ref("prometheus") };
const COLUMNS = 24;

/** Colours with one meaning on all three dashboards. */
export const COLOR = { good: "green", bad: "red", warn: "orange", quiet: "#8e8e8e", main: "blue", band: "#6e9fff" };

/** What a severity looks like. */
export const SEVERITY_MAPPINGS = valueMappings({
  P0: { text: "P0", color: "dark-red" },
  P1: { text: "P1", color: "red" },
  P2: { text: "P2", color: "orange" },
  P3: { text: "P3", color: "yellow" },
  P4: { text: "P4", color: "blue" },
});

export const STATE_MAPPINGS = valueMappings({
  incident: { text: "incident", color: "red" },
  alarm: { text: "alarm", color: "orange" },
  fail: { text: "alarm", color: "red" },
  ok: { text: "ok", color: "green" },
  pass: { text: "ok", color: "green" },
  unknown: { text: "not judged", color: "#8e8e8e" },
  "not judged": { text: "not judged", color: "#8e8e8e" },
  opened: { text: "open", color: "red" },
  updated: { text: "open", color: "red" },
  open: { text: "open", color: "red" },
  resolved: { text: "resolved", color: "green" },
  backtest: { text: "backtest", color: "#8e8e8e" },
});

/** Of `incidents`: what nobody was told of, because the deployment trains on it, is not open. */
export const IS_OPEN = "state <> 'resolved' AND NOT backtest";

function valueMappings(options) {
  const entries = Object.entries(options).map(([value, result], index) => [value, { ...result, index }]);
  return [{ type: "value", options: Object.fromEntries(entries) }];
}

/** SQL as Grafana's back end runs it; `format` is `time_series` (needs a column `time`) or `table`. */
export function sql(rawSql, format = "table", refId = "A") {
  return { datasource: POSTGRES, editorMode: "code", format, rawQuery: true, rawSql: tidy(rawSql), refId };
}

export function promql(expr, legendFormat, refId = "A", instant = false) {
  return {
    datasource: PROMETHEUS,
    editorMode: "code",
    expr: tidy(expr),
    legendFormat,
    refId,
    range: !instant,
    instant,
    ...(instant ? { format: "table" } : {}),
  };
}

function tidy(text) {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const indent = Math.min(...lines.map((line) => line.length - line.trimStart().length));
  return lines.map((line) => line.slice(indent).trimEnd()).join("\n");
}

/**
 * One panel without its place. `options` are those of the panel's type; `defaults` those of all its fields.
 * @param {{type: string, title: string, description: string, unit: string, empty: string, targets: object[],
 *   options?: object, defaults?: object, overrides?: object[], transformations?: object[], links?: object[],
 *   maxDataPoints?: number, interval?: string}} panel
 */
function panel({ type, title, description, unit, empty, targets, defaults = {}, overrides = [], ...rest }) {
  const { options = {}, transformations = [], links = [], ...more } = rest;
  return {
    type,
    title,
    description,
    datasource: targets[0].datasource,
    fieldConfig: { defaults: { unit, noValue: empty, ...defaults }, overrides },
    options,
    targets,
    ...(transformations.length > 0 ? { transformations } : {}),
    ...(links.length > 0 ? { links } : {}),
    ...more,
  };
}

export function stat({ steps = [{ color: COLOR.main, value: null }], mappings = [], text = false, ...rest }) {
  return panel({
    type: "stat",
    defaults: {
      mappings,
      thresholds: { mode: "absolute", steps },
      color: { mode: "thresholds" },
      decimals: rest.decimals,
    },
    options: {
      colorMode: "background",
      graphMode: "none",
      justifyMode: "center",
      textMode: "value",
      wideLayout: true,
      reduceOptions: { calcs: ["lastNotNull"], fields: text ? "/.*/" : "", values: false },
      ...(text ? { text: { valueSize: 18 } } : {}),
    },
    ...omit(rest, "decimals"),
  });
}

export function table({ sortBy = [], overrides = [], ...rest }) {
  return panel({
    type: "table",
    defaults: { custom: { align: "auto", cellOptions: { type: "auto" }, inspect: true, filterable: true } },
    overrides,
    options: { showHeader: true, cellHeight: "sm", sortBy, footer: { show: false } },
    ...rest,
  });
}

/** A graph over time. `thresholds`: `[{ value, color }]`, drawn as dashed lines. */
export function graph({ bars = false, stack = false, lines = [], overrides = [], min, calcs = [], ...rest }) {
  return panel({
    type: "timeseries",
    defaults: {
      color: { mode: "palette-classic" },
      ...(min === undefined ? {} : { min }),
      custom: {
        drawStyle: bars ? "bars" : "line",
        lineWidth: bars ? 0 : 1.5,
        fillOpacity: bars ? 80 : 5,
        barAlignment: 1,
        barWidthFactor: 0.9,
        showPoints: "auto",
        pointSize: 4,
        // A gap is a gap: nothing was measured.
        spanNulls: false,
        stacking: { mode: stack ? "normal" : "none", group: "A" },
        thresholdsStyle: { mode: lines.length > 0 ? "dashed" : "off" },
      },
      thresholds: {
        mode: "absolute",
        steps: [{ color: "transparent", value: null }, ...lines.map(({ color, value }) => ({ color, value }))],
      },
    },
    overrides,
    options: {
      legend: { displayMode: calcs.length > 0 ? "table" : "list", placement: "bottom", showLegend: true, calcs },
      tooltip: { mode: "multi", sort: "desc" },
    },
    ...rest,
  });
}

export function stateTimeline({ mappings, ...rest }) {
  return panel({
    type: "state-timeline",
    defaults: {
      mappings,
      color: { mode: "thresholds" },
      thresholds: { mode: "absolute", steps: [{ color: COLOR.quiet, value: null }] },
      custom: { fillOpacity: 80, lineWidth: 0 },
    },
    options: {
      mergeValues: true,
      showValue: "never",
      alignValue: "left",
      rowHeight: 0.85,
      legend: { displayMode: "list", placement: "bottom", showLegend: true },
      tooltip: { mode: "single", sort: "none" },
    },
    ...rest,
  });
}

/** How one column or series differs from the defaults of its panel. */
export function field(name, properties) {
  return { matcher: { id: "byName", options: name }, properties: toProperties(properties) };
}

/** The same for every series whose name matches. */
export function fields(regex, properties) {
  return { matcher: { id: "byRegexp", options: regex }, properties: toProperties(properties) };
}

function toProperties(properties) {
  return Object.entries(properties).map(([id, value]) => ({ id, value }));
}

export const fixedColor = (color) => ({ mode: "fixed", fixedColor: color });
export const coloredText = { type: "color-text" };
export const coloredCell = { type: "color-background", mode: "basic" };

/** Places panels line by line: `[height, [panel, width], …]`; a text is the title of a section. */
export function layout(lines) {
  const placed = [];
  let y = 0;
  for (const line of lines) {
    if (typeof line === "string") {
      placed.push({ type: "row", title: line, collapsed: false, panels: [], gridPos: { x: 0, y, w: COLUMNS, h: 1 } });
      y += 1;
      continue;
    }
    const [h, ...cells] = line;
    let x = 0;
    for (const [cell, w] of cells) {
      placed.push({ ...cell, gridPos: { x, y, w, h } });
      x += w;
    }
    if (x !== COLUMNS) throw new RangeError(`a line of panels is ${x} wide, expected ${COLUMNS}`);
    y += h;
  }
  return placed.map((cell, index) => ({ id: index + 1, ...cell }));
}

export function dataSourceVariable(name, label, type) {
  return {
    type: "datasource",
    name,
    label,
    query: type,
    current: {},
    hide: 0,
    includeAll: false,
    multi: false,
    refresh: 1,
    regex: "",
  };
}

export function constantVariable(name, label, value) {
  const option = { text: value, value, selected: true };
  return {
    type: "constant",
    name,
    label,
    query: value,
    current: option,
    options: [option],
    hide: 2,
    skipUrlSync: true,
  };
}

export function queryVariable({ name, label, datasource, query, description, all = false, current = {} }) {
  return {
    type: "query",
    name,
    label,
    description,
    datasource,
    query: typeof query === "string" ? tidy(query) : query,
    definition: typeof query === "string" ? tidy(query) : query.query,
    refresh: 1,
    sort: 0,
    regex: "",
    multi: all,
    includeAll: all,
    ...(all ? { allValue: ".*" } : {}),
    hide: 0,
    current: all ? { text: ["All"], value: ["$__all"] } : current,
    options: [],
  };
}

/** Regions over every graph. */
export function incidentAnnotation(where) {
  return {
    name: "Incidents",
    datasource: POSTGRES,
    enable: true,
    hide: false,
    iconColor: COLOR.bad,
    target: {
      ...sql(
        `SELECT time, timeend, text, tags
         FROM $schema.incidents
         WHERE ${where} time <= $__timeTo() AND timeend >= $__timeFrom()
         ORDER BY time`,
        "table",
        "Anno",
      ),
    },
  };
}

export function dashboard({
  uid,
  title,
  description,
  tags,
  variables,
  annotations = [],
  links = [],
  from,
  refresh,
  lines,
}) {
  return {
    uid,
    title,
    description,
    tags: ["streamgauge", ...tags],
    schemaVersion: 39,
    version: 1,
    editable: true,
    graphTooltip: 1,
    liveNow: false,
    refresh,
    time: { from, to: "now" },
    timepicker: {},
    timezone: "",
    weekStart: "",
    fiscalYearStartMonth: 0,
    annotations: { list: annotations },
    links: [
      ...links,
      {
        type: "dashboards",
        title: "streamgauge",
        tags: ["streamgauge"],
        asDropdown: true,
        includeVars: false,
        keepTime: true,
        targetBlank: false,
        icon: "external link",
        tooltip: "",
        url: "",
      },
    ],
    templating: { list: variables },
    panels: layout(lines),
  };
}

function omit(object, key) {
  const { [key]: _left, ...rest } = object;
  return rest;
}
