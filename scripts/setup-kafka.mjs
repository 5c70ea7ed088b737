// Fetches what the integration tests run on, Kafka and the Apicurio schema registry, and what the sketches are measured
// against, Apache DataSketches for Java, with Maven, into a cache folder
// ($STREAMGAUGE_JAVA_CACHE, or node_modules/.cache/streamgauge-java). What is there already is not fetched again.
//
//   node scripts/setup-kafka.mjs             all
//   node scripts/setup-kafka.mjs kafka       one of them
//
// Needs Java 17 or later and mvn. The last line of output is the cache folder.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const KAFKA = "4.4.0";
const LOG4J = "2.25.5";
const APICURIO = "3.0.9";
/** The last that runs on Java 17: later ones need 21 or more. */
const DATASKETCHES = "6.2.0";

const cache =
  process.env.STREAMGAUGE_JAVA_CACHE ||
  fileURLToPath(new URL("../node_modules/.cache/streamgauge-java", import.meta.url));

const PARTS = {
  [`kafka-${KAFKA}`]: fetchKafka,
  [`apicurio-${APICURIO}`]: fetchApicurio,
  [`datasketches-${DATASKETCHES}`]: fetchDataSketches,
};

for (const command of ["java", "mvn"]) {
  if (spawnSync(command, ["-version"], { stdio: "ignore" }).error !== undefined) {
    fail(`Cannot fetch Kafka: ${command} is not on the PATH`);
  }
}
const wanted = process.argv.slice(2);
for (const [name, fetch] of Object.entries(PARTS)) {
  if (wanted.length > 0 && !wanted.some((word) => name.startsWith(word))) continue;
  const folder = join(cache, name);
  if (existsSync(folder)) continue;
  // Made beside its place and renamed when whole, so that a folder that exists is complete.
  const unfinished = `${folder}.${process.pid}`;
  mkdirSync(unfinished, { recursive: true });
  try {
    fetch(unfinished);
    if (!existsSync(folder)) renameSync(unfinished, folder);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
}
console.log(cache);

/** The broker's jars in `libs`, and a logging configuration that keeps to warnings. */
function fetchKafka(folder) {
  // kafka-tools-api is declared by the broker, which does not need it; without the binding the broker logs nothing.
  const pom = `<?xml version="1.0" encoding="UTF-8"?>
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>streamgauge</groupId><artifactId>kafka-jars</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${KAFKA}</version>
      <exclusions><exclusion>
        <groupId>org.apache.kafka</groupId><artifactId>kafka-tools-api</artifactId>
      </exclusion></exclusions></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>${LOG4J}</version></dependency>
  </dependencies>
</project>
`;
  writeFileSync(join(folder, "pom.xml"), pom);
  maven(folder, [
    "dependency:copy-dependencies",
    `-DoutputDirectory=${join(folder, "libs")}`,
    "-DincludeScope=runtime",
  ]);
  writeFileSync(
    join(folder, "log4j2.properties"),
    [
      "appender.out.type = Console",
      "appender.out.name = out",
      "appender.out.layout.type = PatternLayout",
      "appender.out.layout.pattern = %d{ISO8601} %p %c{1}: %m%n",
      "rootLogger.level = warn",
      "rootLogger.appenderRef.out.ref = out",
      "",
    ].join("\n"),
  );
}

/** The runner jar with its `lib`, unpacked. */
function fetchApicurio(folder) {
  const artifact = `io.apicurio:apicurio-registry-app:${APICURIO}:tar.gz:all`;
  maven(folder, ["dependency:copy", `-Dartifact=${artifact}`, `-DoutputDirectory=${folder}`]);
  const archive = `apicurio-registry-app-${APICURIO}-all.tar.gz`;
  run("tar", ["-xzf", archive], folder);
  rmSync(join(folder, archive));
}

/** The jars of the sketches and of their memory, in `libs`. */
function fetchDataSketches(folder) {
  const pom = `<?xml version="1.0" encoding="UTF-8"?>
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>streamgauge</groupId><artifactId>datasketches-jars</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.datasketches</groupId><artifactId>datasketches-java</artifactId><version>${DATASKETCHES}</version></dependency>
  </dependencies>
</project>
`;
  writeFileSync(join(folder, "pom.xml"), pom);
  maven(folder, [
    "dependency:copy-dependencies",
    `-DoutputDirectory=${join(folder, "libs")}`,
    "-DincludeScope=runtime",
  ]);
}

function maven(folder, args) {
  run("mvn", ["-q", "-B", ...args], folder);
}

function run(command, args, cwd) {
  const { status } = spawnSync(command, args, { cwd, stdio: ["ignore", "inherit", "inherit"] });
  if (status !== 0) fail(`Cannot fetch: ${command} ${args[0]} ended with ${status}`);
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
