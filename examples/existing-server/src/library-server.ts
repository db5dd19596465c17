import { McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";

/** The server as it was before anybody thought of charging for it: nothing in here knows of a paywall. */
export function createLibraryServer(): McpServer {
  const server = new McpServer({ name: "library", version: "1.0.0" });
  server.registerTool("ping", { description: "Whether the library is open" }, async () => text("open"));
  server.registerTool(
    "search",
    { description: "Find books", inputSchema: z.object({ words: z.string() }) },
    async ({ words }) =>
      text(BOOKS.filter((book) => book.toLowerCase().includes(words.toLowerCase())).join("\n")),
  );
  server.registerTool(
    "read",
    {
      description: "Read pages of a book",
      inputSchema: z.object({ book: z.string(), pages: z.int().min(1).max(50) }),
      outputSchema: z.object({ pages: z.array(z.string()) }),
    },
    async ({ book, pages }) => {
      if (!BOOKS.includes(book)) return { ...text(`There is no book "${book}".`), isError: true };
      const read = Array.from({ length: pages }, (_, index) => `${book}, page ${index + 1}`);
      return { ...text(read.join("\n")), structuredContent: { pages: read } };
    },
  );
  return server;
}

const BOOKS = ["The Voyage of the Beagle", "A Voyage Round the World", "Walden"];
const text = (content: string) => ({ content: [{ type: "text" as const, text: content }] });
