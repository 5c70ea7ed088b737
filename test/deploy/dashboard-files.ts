/** The dashboards as Grafana reads them: the parts of their JSON that the tests look at. */
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

export interface Target {
  readonly refId: string;
  readonly datasource: { readonly type: string; readonly uid: string };
  readonly format?: string;
  readonly rawSql?: string;
  readonly expr?: string;
  readonly legendFormat?: string;
}

export interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly fieldConfig?: {
    readonly defaults: { readonly unit?: string; readonly noValue?: string };
    readonly overrides: readonly { readonly matcher: { readonly id: string; readonly options: string } }[];
  };
  readonly datasource?: { readonly type: string; readonly uid: string };
  readonly targets?: readonly Target[];
}

export interface Variable {
  readonly name: string;
  readonly type: string;
  readonly query: string | { readonly query: string };
  readonly multi?: boolean;
  readonly includeAll?: boolean;
}

export interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly Variable[] };
  readonly annotations: { readonly list: readonly { readonly name: string; readonly target: Target }[] };
}

const FOLDER = fileURLToPath(new URL("../../deploy/grafana/dashboards", import.meta.url));

export function dashboards(): { readonly name: string; readonly text: string; readonly dashboard: Dashboard }[] {
  return readdirSync(FOLDER)
    .filter((file) => file.endsWith(".json"))
    .map((file) => {
      const text = readFileSync(join(FOLDER, file), "utf8");
      return { name: basename(file, ".json"), text, dashboard: JSON.parse(text) };
    });
}

/** Panels that ask something. */
export function askingPanels(dashboard: Dashboard): (Panel & { readonly targets: readonly Target[] })[] {
  return dashboard.panels.flatMap((panel) => (panel.targets === undefined ? [] : { ...panel, targets: panel.targets }));
}
