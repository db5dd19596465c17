import { writeRepository } from "./repository.ts";

/** Writes the repository's address, and what follows from it, into every package. */
writeRepository(new URL("../..", import.meta.url).pathname);
