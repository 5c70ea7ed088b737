/**
 * Writes deploy/grafana/dashboards/*.json from the descriptions in scripts/dashboards.
 *
 *     node scripts/make-dashboards.mjs && npx biome check --write deploy
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { datasetDashboard } from "./dashboards/dataset.mjs";
import { fleetDashboard } from "./dashboards/fleet.mjs";
import { healthDashboard } from "./dashboards/health.mjs";

const DASHBOARDS = { fleet: fleetDashboard, dataset: datasetDashboard, health: healthDashboard };

for (const [name, make] of Object.entries(DASHBOARDS)) {
  const path = fileURLToPath(new URL(`../deploy/grafana/dashboards/${name}.json`, import.meta.url));
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(make(), null, 2)}\n`);
}
