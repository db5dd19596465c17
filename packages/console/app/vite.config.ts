import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  base: "/console/",
  plugins: [react()],
  build: {
    outDir: "../pages",
    emptyOutDir: true,
    // Each asset is a file of its own: the policy that the server sends loads nothing inline.
    assetsInlineLimit: 0,
    // Of what is built in, which each of them asks to be handed on.
    license: { fileName: "THIRD-PARTY-LICENSES.md" },
    modulePreload: { polyfill: false },
    target: "es2022",
    rolldownOptions: {
      output: {
        entryFileNames: "assets/[name]-[hash].js",
        chunkFileNames: "assets/[name]-[hash].js",
        assetFileNames: "assets/[name]-[hash][extname]",
      },
    },
  },
  server: { proxy: { "/api": "http://127.0.0.1:4242", "/readyz": "http://127.0.0.1:4242" } },
});
