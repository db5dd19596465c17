import { writeFileSync } from "node:fs";
import { configSchema } from "./src/config/config-schema.ts";

// Writes what editors read. A test holds it against the sources.
const file = new URL("licentric.gate.schema.json", import.meta.url);
writeFileSync(file, `${JSON.stringify(configSchema(), undefined, 2)}\n`);
