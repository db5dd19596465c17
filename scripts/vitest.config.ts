import { defineConfig } from "vitest/config";

export default defineConfig({ test: { name: "readmes", include: ["*.test.ts"] } });
